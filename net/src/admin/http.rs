//! One HTTP/1.1 request and its answer. The head is parsed by httparse; a body is never read. Every byte that comes in is
//! hostile.

use std::io;

use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub method: Method,
    /// Without what follows a question mark.
    pub path: String,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    status: &'static str,
    kind: &'static str,
    extra: &'static str,
    body: String,
    sends_body: bool,
}

const TEXT: &str = "text/plain; charset=utf-8";
/// The exposition format's own type.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answer {
    fn new(status: &'static str, body: impl Into<String>) -> Answer {
        Answer { status, kind: TEXT, extra: "", body: body.into(), sends_body: true }
    }

    pub fn text(body: &str) -> Answer {
        Answer::new("200 OK", body)
    }

    pub fn metrics(body: String) -> Answer {
        Answer { kind: METRICS, ..Answer::new("200 OK", body) }
    }

    pub fn unavailable(body: &str) -> Answer {
        Answer::new("503 Service Unavailable", body)
    }

    pub fn not_found() -> Answer {
        Answer::new("404 Not Found", "try /metrics, /healthz or /readyz\n")
    }

    pub fn without_body(self) -> Answer {
        Answer { sends_body: false, ..self }
    }

    fn head(&self) -> String {
        format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            self.status,
            self.kind,
            self.body.len(),
            self.extra
        )
    }

    pub async fn send<W: AsyncWrite + Unpin>(&self, to: &mut W) -> io::Result<()> {
        to.write_all(self.head().as_bytes()).await?;
        if self.sends_body {
            to.write_all(self.body.as_bytes()).await?;
        }
        to.close().await
    }
}

enum Parsed {
    Whole(Received),
    Partial,
    Refused(Answer),
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; limits::ADMIN_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Parsed::Refused(Answer::new("431 Request Header Fields Too Large", "too many headers\n"));
        }
        Err(error) => {
            return Parsed::Refused(Answer::new("400 Bad Request", format!("not HTTP/1: {error}\n")));
        }
    }
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => {
            let refusal = Answer::new("405 Method Not Allowed", "GET and HEAD are served here\n");
            return Parsed::Refused(Answer { extra: "Allow: GET, HEAD\r\n", ..refusal });
        }
    };
    let target = request.path.unwrap_or_default();
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    Parsed::Whole(Received { method, path })
}

/// Reads one request's head, or why it is refused; a peer that goes away is refused into nowhere.
pub async fn receive<R: AsyncRead + Unpin>(from: &mut R) -> Result<Received, Answer> {
    let mut head = [0; limits::ADMIN_HEAD_BYTES_MAX];
    let mut filled = 0;
    loop {
        let read = from.read(&mut head[filled..]).await.unwrap_or(0);
        if read == 0 {
            return Err(Answer::new("400 Bad Request", "the request is cut short\n"));
        }
        filled += read;
        match parse(&head[..filled]) {
            Parsed::Whole(received) => return Ok(received),
            Parsed::Refused(answer) => return Err(answer),
            Parsed::Partial if filled == head.len() => {
                return Err(Answer::new("431 Request Header Fields Too Large", "the head is too long\n"));
            }
            Parsed::Partial => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::{future::block_on, io::Cursor};

    use super::*;

    fn ask(bytes: &[u8]) -> Result<Received, &'static str> {
        block_on(receive(&mut Cursor::new(bytes))).map_err(|answer| &answer.status[..3])
    }

    #[test]
    fn get_and_head_are_served_and_the_query_is_cut_off() {
        let get = |path: &str| Ok(Received { method: Method::Get, path: path.to_owned() });
        assert_eq!(ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), get("/metrics"));
        assert_eq!(ask(b"GET /metrics?name=x HTTP/1.0\r\n\r\n"), get("/metrics"));
        assert_eq!(ask(b"HEAD /healthz HTTP/1.1\r\n\r\n").unwrap().method, Method::Head);
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_status() {
        let long = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 64 << 10]].concat();
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(limits::ADMIN_HEADERS_MAX + 1));
        let cases: [(&[u8], &str); 7] = [
            (b"", "400"),
            (b"GET /metrics HTTP/1.1\r\nHos", "400"),
            (b"\x00\x00\x00\x08\xff\xff\xff\xff", "400"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
            (b"POST /metrics HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", "405"),
            (&long, "431"),
            (many.as_bytes(), "431"),
        ];
        for (bytes, status) in cases {
            assert_eq!(
                ask(bytes),
                Err(status),
                "{:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
            );
        }
    }

    #[test]
    fn an_answer_to_head_has_the_length_and_no_body() {
        let mut sent = Vec::new();
        block_on(Answer::text("ok\n").without_body().send(&mut sent)).unwrap();
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.contains("Content-Length: 3\r\n") && sent.ends_with("\r\n\r\n"), "{sent}");
    }
}
