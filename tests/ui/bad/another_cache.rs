use cached_aside::{Cache, cached_aside, invalidates, updates};

struct Repo {
    cache: Cache,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "row:{id}", skip(self), cache = self.cache)]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(Repo::load(id))] // which `Repo`?
    async fn save(&self, id: u64) {
        let _ = id;
    }

    #[updates(Self::load(id))]
    async fn update(&self, id: u64) -> u64 {
        id
    }
}

#[cached_aside(ttl = "5m", key = "row:{id}", skip(cache), cache = cache)]
async fn load(cache: &Cache, id: u64) -> u64 {
    let _ = cache;
    id
}

#[invalidates(load(id), load(*result))]
async fn save(id: u64) -> u64 {
    id
}

async fn by_hand(id: u64) {
    let _ = load::key(id).invalidate().await;
    cached_aside::invalidate(load::key(id)).await;
    cached_aside::invalidate([load::key(id)]).await;
    cached_aside::invalidating(&load::key(id), async {}).await;
    let _ = cached_aside::AnyKey::from(load::key(id));
}

fn main() {}
