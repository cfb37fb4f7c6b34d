//! The messages for the keys of a batch that follow other calls.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::oneshot;

use crate::engine::flight::FollowerMessage;

/// What a follower was told; an error if its leader will say nothing.
pub(super) type Told = Result<FollowerMessage, oneshot::error::RecvError>;

/// The messages for the keys that wait for other calls of this process. Of as many as a batch can follow only those are polled that are
/// there.
#[derive(Default)]
pub(super) struct Followers(pub(super) FuturesUnordered<Message>);

/// What one key is told.
pub(super) struct Message {
    pub(super) index: usize,
    pub(super) message: oneshot::Receiver<FollowerMessage>,
}

impl Future for Message {
    type Output = Heard;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Heard> {
        let index = self.index;
        Pin::new(&mut self.message).poll(context).map(|told| Heard { index, told: Some(told) })
    }
}

/// What a follower came to.
pub(super) struct Heard {
    pub(super) index: usize,
    /// `None` if it was its turn to lead, and it let others go first.
    pub(super) told: Option<Told>,
}

impl Heard {
    /// While its body runs a batch would not get round to leading, and others wait.
    pub(super) fn without_lead(self) -> Heard {
        match self.told {
            Some(Ok(FollowerMessage::Lead(_))) => Heard { told: None, ..self },
            told => Heard { told, ..self },
        }
    }
}

impl Followers {
    pub(super) fn push(&mut self, index: usize, message: oneshot::Receiver<FollowerMessage>) {
        self.0.push(Message { index, message });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has been told meanwhile.
    pub(super) fn hear(&mut self, context: &mut Context<'_>) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Poll::Ready(Some(message)) = self.0.poll_next_unpin(context) {
            heard.push(message);
        }
        heard
    }
}
