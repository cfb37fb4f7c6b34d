impl Load for Repo {
    fn load<'life0, 'async_trait>(
        &'life0 self,
        id: u64,
        __arg2: Filter,
    ) -> ::core::pin::Pin<
        Box<
            dyn ::core::future::Future<
                Output = Result<User, Self::Error>,
            > + ::core::marker::Send + 'async_trait,
        >,
    >
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            const __SHAPE: ::core::primitive::u8 = {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Result<User, <Repo as Load>::Error>>::OPTION
                    + __Shape::<Result<User, <Repo as Load>::Error>>::RESULT
                    + __Shape::<Result<User, <Repo as Load>::Error>>::RESULT_OPTION
            };
            static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                    ::core::module_path!(),
                    "Repo::load",
                    "user:{self.tenant}:{id}",
                    __aside::Duration::from_secs(60u64),
                )
                .integers(2)
                .stores(
                    &__aside::coding::<
                        __aside::Value<Result<User, <Repo as Load>::Error>, __SHAPE>,
                        __aside::DefaultCodec,
                    >(0),
                );
            ::cached_aside::__private::inventory::submit! {
                ::cached_aside::__private::Linked(& __READ)
            }
            use ::cached_aside::__private::{
                self as __aside, NotShared as _, NoAbsent as _,
            };
            let __key = __aside::KeyWriter::new("user:")
                .value(&self.tenant)
                .literal(":")
                .integer(id)
                .finish();
            let __body = ::core::pin::pin!(
                async move { if let ::core::option::Option::Some(__never) =
                ::core::option::Option::None:: < Result < User, Self::Error > > { return
                __never; } let __self = self; let id = id; let Filter { text, .. } =
                __arg2; let __ret : Result < User, Self::Error > = { __self.db.user(id,
                text). await }; __ret }
            );
            let __returned = __aside::load(
                    &__READ,
                    __key,
                    __aside::coding::<_, __aside::DefaultCodec>(0),
                    __aside::ReturnAdapter::<Result<User, Self::Error>, __SHAPE>::SHARED
                        .or_absent(),
                    __body,
                )
                .await;
            __returned
        })
    }
}
