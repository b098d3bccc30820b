//! LeaveGroup: members go by their own word, one or many, by member id or by instance id.

use super::{ClassicGroup, Phase, Turn, answer_join, answer_sync};
use crate::error::ErrorCode;
use crate::group::request::{Caller, Leave, Leaving, Left, Reply};

impl ClassicGroup {
    pub fn leave(&mut self, turn: &mut Turn<'_>, caller: Caller, leave: &Leave) {
        let members: Vec<ErrorCode> =
            leave.members.iter().map(|leaving| self.leave_one(turn, leaving)).collect();
        let somebody_left = members.contains(&ErrorCode::None);
        if somebody_left {
            match self.phase {
                Phase::Completing | Phase::Stable => self.prepare(turn, "members left"),
                Phase::Preparing(_) => self.complete_join_if_all_are_here(turn),
                Phase::Empty => {}
            }
        }
        turn.effects.reply(caller, Reply::Left(Left { error: ErrorCode::None, members }));
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, leaving: &Leaving) -> ErrorCode {
        let instance = leaving.instance.as_deref();
        let id = if leaving.member.is_empty() {
            match instance.and_then(|instance| self.instances.get(instance)) {
                Some(id) => id.clone(),
                None => return ErrorCode::UnknownMemberId,
            }
        } else if self.forget_pending(turn, &leaving.member) {
            return ErrorCode::None;
        } else if let Err(error) = self.check_member(&leaving.member, instance) {
            return error;
        } else {
            leaving.member.as_str().into()
        };
        let reason = leaving.reason.as_deref().unwrap_or("not provided");
        tracing::debug!(group = %turn.id, member = %id, reason, "a member leaves");
        if let Some(member) = self.remove_member(turn, &id) {
            answer_join(turn.effects, &member, ErrorCode::UnknownMemberId);
            answer_sync(turn.effects, &member, ErrorCode::UnknownMemberId);
        }
        ErrorCode::None
    }
}
