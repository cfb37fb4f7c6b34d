use redis::{AsyncCommands, Client, aio::MultiplexedConnection};

use super::{Subject, TTL};
use crate::origin::{self, Record};

/// redis-rs's multiplexed connection, `GET` and `SET` of what bincode makes of a value.
#[derive(Clone)]
pub struct ByHand(MultiplexedConnection);

impl Subject for ByHand {
    const NAME: &'static str = "redis-rs by hand";

    async fn connect(url: &str) -> Self {
        let client = Client::open(url).expect("the URL is right");
        ByHand(client.get_multiplexed_async_connection().await.expect("the server answers"))
    }

    async fn get(&self, id: u64) -> Record {
        let mut connection = self.0.clone();
        let key = format!("hand:record:{id}");
        let stored: Option<Vec<u8>> = connection.get(&key).await.expect("the server answers");
        if let Some(bytes) = stored {
            return decode(&bytes);
        }
        let record = origin::load(id).await;
        let () = connection.set_ex(&key, encode(&record), TTL.as_secs()).await.expect("the server answers");
        record
    }

    async fn write(&self, id: u64) {
        origin::save(id).await;
        let () = self.0.clone().del(format!("hand:record:{id}")).await.expect("the server answers");
    }
}

pub fn encode(record: &Record) -> Vec<u8> {
    bincode::serde::encode_to_vec(record, bincode::config::standard()).expect("it can be written")
}

pub fn decode(bytes: &[u8]) -> Record {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard()).expect("it was written").0
}
