//! The smallest HTTP client that can talk to our own API.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

/// Requests to one address, one connection each.
#[derive(Clone, Debug)]
pub struct Http {
    address: SocketAddr,
    token: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Http {
    /// A client without a token.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// `GET`, or nothing where no connection or no whole answer came.
    pub fn try_get(&self, path: &str) -> Option<Response> {
        self.send("GET", path, "").ok()
    }

    /// `GET`.
    ///
    /// # Panics
    ///
    /// Where no answer came; so do the others.
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, None)
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, Some(body))
    }

    /// Any method, with or without JSON.
    ///
    /// # Panics
    ///
    /// Where no answer came.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, &body)
            .unwrap_or_else(|error| panic!("{method} {path} of {}: {error}", self.address))
    }

    /// HTTP/1.0, so that the body ends with the connection.
    fn send(&self, method: &str, path: &str, body: &str) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let token = self
            .token
            .as_ref()
            .map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let content = match body {
            "" => String::new(),
            body => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
        };
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n{token}{content}\r\n{body}", self.address);
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Response::parse(&answer).ok_or_else(|| std::io::Error::other(format!("not HTTP: {answer:?}")))
    }
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    fn parse(answer: &str) -> Option<Self> {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some(Self { status, headers, body: body.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer =
            "HTTP/1.0 404 Not Found\r\nContent-Type: application/problem+json\r\n\r\n{\"status\":404}";
        let response = Response::parse(answer).unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(response.json()["status"], 404);
        assert!(Response::parse("garbage").is_none());
    }
}
