//! What the attributes make of a handful of functions, as a person would read it. `UPDATE_EXPECT=1 cargo test` rewrites
//! the files in `snapshots/`.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    cached, invalidating,
    item::{context::Context, function::Function},
    updating,
};

fn function(item: TokenStream, context: Context) -> Function {
    Function::at(syn::parse2(item).unwrap(), context)
}

fn inherent(of: TokenStream) -> Context {
    Context::Inherent(Some(Box::new(syn::parse2(of).unwrap())))
}

fn trait_impl(of: TokenStream) -> Context {
    Context::TraitImpl(Some(Box::new(syn::parse2(of).unwrap())))
}

/// Compares items of a module, or of an `impl`.
fn check(tokens: syn::Result<TokenStream>, around: Option<TokenStream>, expected: &ExpectFile) {
    let tokens = tokens.unwrap_or_else(|error| panic!("{error}"));
    let tokens = match around {
        Some(header) => quote!(#header { #tokens }),
        None => tokens,
    };
    expected.assert_eq(&prettyplease::unparse(&syn::parse2(tokens).unwrap()));
}

#[test]
fn free_function() {
    check(load_user().1, None, &expect_file!["../snapshots/free.rs"]);
}

/// A function as it is written, and its expansion.
fn load_user() -> (TokenStream, syn::Result<TokenStream>) {
    let written = quote! {
        /// Loads a user.
        pub(crate) async fn load_user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
            db.user(id).await
        }
    };
    let options = quote!(ttl = "5m", key = "user:{id}", skip(db));
    let expansion = cached(options.clone(), &function(written.clone(), Context::Free));
    (quote!(#[cached_aside(#options)] #written), expansion)
}

#[test]
fn the_page_about_the_expansion_shows_it() {
    const PAGE: &str = include_str!("../../docs/expansion.md");
    const FENCE: &str = "```text\n";
    let (written, expansion) = load_user();
    let text = |tokens| prettyplease::unparse(&syn::parse2(tokens).unwrap());
    let [before, shown, expanded] = PAGE.split(FENCE).collect::<Vec<_>>().try_into().unwrap();
    let after = |block: &str| block[block.find("```\n").unwrap()..].to_owned();
    let page = [before, &text(written), &after(shown), FENCE, &text(expansion.unwrap()), &after(expanded)];
    let page = format!("{}{FENCE}{}", page[0], page[1..].concat());
    expect_file!["../../docs/expansion.md"].assert_eq(&page);
}

#[test]
fn free_function_with_everything() {
    let function = function(
        quote! {
            #[tracing::instrument]
            #[expect(clippy::too_many_lines)]
            async fn search<'a, D: Db, T: Row, const N: usize>(
                db: &'a D,
                mut page: u32,
                Filter { text, kind }: Filter,
                _tenant: &str,
            ) -> io::Result<Page<T, N>>
            where
                T: DeserializeOwned,
            {
                page += 1;
                db.search(page, text, kind).await
            }
        },
        Context::Nested,
    );
    check(
        cached(
            quote! {
                ttl = TTL, skip(db, text), none_ttl = "500ms", jitter = "0%", lease = "2s", wait = "0s",
                codec = Json, version = VERSION, cache = db.cache, verify = "0.1%", local = "1s",
                local_mode = "bounded"
            },
            &function,
        ),
        None,
        &expect_file!["../snapshots/free_with_everything.rs"],
    );
}

#[test]
fn batches() {
    let free = function(
        quote! {
            /// Loads several.
            pub async fn load_users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
                db.users(ids).await
            }
        },
        Context::Free,
    );
    let options = quote!(load_user(id) for id in ids, skip(db));
    check(cached(options, &free), None, &expect_file!["../snapshots/batch.rs"]);
    let of = quote!(impl Repo);
    let method = function(
        quote! {
            async fn prices(&self, pairs: HashSet<(u64, String)>, day: Day) -> Vec<Option<Price>> {
                self.db.prices(pairs, day).await
            }
        },
        inherent(quote!(#of {})),
    );
    let options = quote! {
        self.price(product, currency, &day) for (product, currency) in pairs, skip(self), cache = self.cache, wait = "1s"
    };
    check(cached(options, &method), Some(of), &expect_file!["../snapshots/batch_method.rs"]);
}

#[test]
fn tags() {
    let read = function(
        quote! {
            pub async fn price(db: &Db, tenant: u64, id: u64) -> Option<Price> {
                db.price(tenant, id).await
            }
        },
        Context::Free,
    );
    let options =
        quote!(ttl = "5m", key = "price:{tenant}:{id}", skip(db), tags("tenant:{tenant}", catalog(tenant)));
    check(cached(options, &read), None, &expect_file!["../snapshots/tags.rs"]);
    let write = function(
        quote! {
            pub async fn set_price(db: &Db, tenant: u64, id: u64, price: Price) -> Result<(), DbError> {
                db.set_price(tenant, id, price).await
            }
        },
        Context::Free,
    );
    let options = quote!(price(tenant, id), tags("tenant:{tenant}", catalog(tenant)));
    check(invalidating(options, &write), None, &expect_file!["../snapshots/invalidates_tags.rs"]);
}

#[test]
fn in_the_background() {
    let of = quote!(impl Repo);
    let function = function(
        quote! {
            async fn report(&self, name: &str, day: u32) -> Result<Report, Failed> {
                self.db.report(name, day).await
            }
        },
        inherent(quote!(#of {})),
    );
    check(
        cached(
            quote! {
                version = only(2),
                ttl = "1m", key = "report:{name}:{day}", skip(self), stale_while_revalidate = "5m", stale_if_error = "1h",
                refresh = "background", load_timeout(soft = "100ms", hard = "2s"), early_refresh = 1.0, cache = self.cache
            },
            &function,
        ),
        Some(of),
        &expect_file!["../snapshots/background.rs"],
    );
}

#[test]
fn method_with_self_in_its_key() {
    let of = quote!(impl Repo);
    let function = function(
        quote! {
            pub async fn load_user(&self, id: u64, kind: Kind) -> Option<User> {
                self.db.user(id, kind).await
            }
        },
        inherent(quote!(#of {})),
    );
    check(
        cached(quote!(ttl = "1m", key = "{self.tenant}:user:{id:08}:{kind:?}"), &function),
        Some(of),
        &expect_file!["../snapshots/method.rs"],
    );
}

#[test]
fn associated_function_of_a_generic_type() {
    let of = quote!(impl<T: Row> Repo<T>);
    let function = function(
        quote! {
            async fn load(id: u64) -> Result<T, Error> {
                T::load(id).await
            }
        },
        inherent(quote!(#of {})),
    );
    check(cached(quote!(ttl = "1m"), &function), Some(of), &expect_file!["../snapshots/associated.rs"]);
}

#[test]
fn in_a_trait_impl() {
    let of = quote!(impl users::Load for Repo);
    let function = function(
        quote! {
            async fn load(&self, id: u64) -> User {
                self.db.user(id).await
            }
        },
        trait_impl(quote!(#of {})),
    );
    check(
        cached(quote!(ttl = "1m", skip(self)), &function),
        Some(of),
        &expect_file!["../snapshots/trait_impl.rs"],
    );
}

#[test]
fn behind_async_trait() {
    let of = quote!(impl Load for Repo);
    let function = function(
        quote! {
            fn load<'life0, 'async_trait>(
                &'life0 self,
                id: u64,
                __arg2: Filter,
            ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<User, Self::Error>> + ::core::marker::Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move {
                    let __self = self;
                    let id = id;
                    let Filter { text, .. } = __arg2;
                    let __ret: Result<User, Self::Error> = { __self.db.user(id, text).await };
                    __ret
                })
            }
        },
        trait_impl(quote!(#of {})),
    );
    check(
        cached(quote!(ttl = "1m", key = "user:{self.tenant}:{id}", skip(text)), &function),
        Some(of),
        &expect_file!["../snapshots/async_trait.rs"],
    );
}

#[test]
fn invalidating_function() {
    let function = function(
        quote! {
            pub async fn save_user(db: &Db, user: User) -> Result<(), DbError> {
                db.save(user).await?;
                Ok(())
            }
        },
        Context::Free,
    );
    check(
        invalidating(quote!(load_user(user.id), "users:recent", "email:{user.email}"), &function),
        None,
        &expect_file!["../snapshots/invalidates.rs"],
    );
}

#[test]
fn invalidating_lists() {
    let function = function(
        quote! {
            pub async fn place(tenant: String, lines: &[Line]) -> Result<Order, Error> {
                insert(tenant, lines).await
            }
        },
        Context::Free,
    );
    check(
        invalidating(
            quote! {
                recent(), stock(line.product) for line in lines, buyer(buyer?) for (buyer, _) in known(lines),
                order(tenant.clone(), line.number) for line in result.lines, transaction = "own"
            },
            &function,
        ),
        None,
        &expect_file!["../snapshots/invalidates_lists.rs"],
    );
}

#[test]
fn invalidating_method_with_everything() {
    let of = quote!(impl Repo);
    let function = function(
        quote! {
            pub async fn create(&self, tenant: String, user: NewUser) -> Result<User, Error> {
                self.db.insert(tenant, user).await
            }
        },
        inherent(quote!(#of {})),
    );
    check(
        invalidating(
            quote! {
                Self::count(&tenant), self.load(result.id), users::by_name(tenant.clone(), &result.name),
                "users:{tenant}:{result.group.id:x}", guard = "required", guard_for = "3s", settle = "250ms",
                when = user.active, cache = self.cache
            },
            &function,
        ),
        Some(of),
        &expect_file!["../snapshots/invalidates_with_everything.rs"],
    );
}

#[test]
fn updating_function() {
    let function = function(
        quote! {
            pub async fn rename_user(db: &Db, id: u64, name: String) -> Result<User, DbError> {
                db.rename(id, name).await
            }
        },
        Context::Free,
    );
    check(
        updating(quote!(load_user(id), users::by_id(id)), &function),
        None,
        &expect_file!["../snapshots/updates.rs"],
    );
}

#[test]
fn updating_method_with_everything() {
    let of = quote!(impl Repo);
    let function = function(
        quote! {
            #[invalidates("users:recent")]
            pub async fn rename(&self, id: u64, name: &str) -> Result<Option<User>, Error> {
                self.db.rename(id, name).await
            }
        },
        inherent(quote!(#of {})),
    );
    check(
        updating(
            quote!(self.load(id), guard = "required", guard_for = "3s", when = id > 0, cache = self.cache),
            &function,
        ),
        Some(of),
        &expect_file!["../snapshots/updates_with_everything.rs"],
    );
}
