use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Arguments::command().debug_assert();
}

#[test]
fn a_latency_without_a_rate_is_refused_before_anything_is_sent() {
    let arguments = Arguments::try_parse_from(["corelog-bench", "latency", "-b", "127.0.0.1:1"]).unwrap();
    let refused = run(arguments.command, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Usage(_))), "{refused:?}");
}
