use fred::prelude::{Builder, Client, ClientLike, Config, Expiration, KeysInterface};

use super::{
    Subject, TTL,
    by_hand::{decode, encode},
};
use crate::origin::{self, Record};

/// fred's client, used as redis-rs is by hand.
#[derive(Clone)]
pub struct Fred(Client);

impl Subject for Fred {
    const NAME: &'static str = "fred by hand";

    async fn connect(url: &str) -> Self {
        let config = Config::from_url(url).expect("the URL is right");
        let client = Builder::from_config(config).build().expect("the settings are right");
        client.init().await.expect("the server answers");
        Fred(client)
    }

    async fn get(&self, id: u64) -> Record {
        let key = format!("fred:record:{id}");
        let stored: Option<Vec<u8>> = self.0.get(&key).await.expect("the server answers");
        if let Some(bytes) = stored {
            return decode(&bytes);
        }
        let record = origin::load(id).await;
        let expiry = Expiration::EX(TTL.as_secs().cast_signed());
        let () = self
            .0
            .set(&key, encode(&record).as_slice(), Some(expiry), None, false)
            .await
            .expect("the server answers");
        record
    }

    async fn write(&self, id: u64) {
        origin::save(id).await;
        let () = self.0.del(format!("fred:record:{id}")).await.expect("the server answers");
    }
}
