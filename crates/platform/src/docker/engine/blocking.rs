//! The engine for one thread that does nothing else: whole answers, and streams that are read.

use super::{EngineError, LONGEST, SILENCE};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::io::{self, Read};
use std::path::Path;
use tokio::runtime::Runtime;

/// An engine with a runtime of its own.
pub struct Engine {
    runtime: Runtime,
    engine: super::Engine,
}

impl Engine {
    /// The engine that `docker` would use on this machine, if it answers.
    ///
    /// # Errors
    /// [`EngineError`] when there is none, or it may not be used.
    pub fn local() -> Result<Self, EngineError> {
        Self::with(super::Engine::local()?)
    }

    /// The engine behind a socket, if it answers.
    ///
    /// # Errors
    /// As [`Engine::local`].
    pub fn at(socket: &Path) -> Result<Self, EngineError> {
        Self::with(super::Engine::at(socket))
    }

    fn with(engine: super::Engine) -> Result<Self, EngineError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| EngineError::Silent(error.kind().to_string()))?;
        runtime.block_on(engine.ping())?;
        Ok(Self { runtime, engine })
    }

    /// The whole answer to one request; `target` is path and query.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn get(&self, target: &str) -> Result<Vec<u8>, EngineError> {
        let mut answer = Vec::new();
        let mut body = self.stream(target)?.take(LONGEST as u64 + 1);
        body.read_to_end(&mut answer)
            .map_err(|error| EngineError::Silent(error.kind().to_string()))?;
        if answer.len() > LONGEST {
            return Err(EngineError::TooLong);
        }
        Ok(answer)
    }

    /// The answer as a stream.
    ///
    /// # Errors
    /// [`EngineError`]; a status other than 2xx is one.
    pub fn stream(&self, target: &str) -> Result<Body<'_>, EngineError> {
        Ok(Body {
            runtime: &self.runtime,
            incoming: self.runtime.block_on(self.engine.stream(target))?,
            chunk: Bytes::new(),
        })
    }
}

/// A body that is read as it comes.
pub struct Body<'e> {
    runtime: &'e Runtime,
    incoming: Incoming,
    chunk: Bytes,
}

impl Read for Body<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let frame = self
                .runtime
                .block_on(async { tokio::time::timeout(SILENCE, self.incoming.frame()).await });
            match frame {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(None) => return Ok(0),
                Ok(Some(Err(_))) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Some(Ok(frame))) => self.chunk = frame.into_data().unwrap_or_default(),
            }
        }
        let count = self.chunk.len().min(out.len());
        let now = self.chunk.split_to(count);
        if let Some(room) = out.get_mut(..count) {
            room.copy_from_slice(&now);
        }
        Ok(count)
    }
}
