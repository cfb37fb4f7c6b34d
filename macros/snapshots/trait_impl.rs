impl users::Load for Repo {
    async fn load(&self, id: u64) -> User {
        const __SHAPE: ::core::primitive::u8 = {
            use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
            __Shape::<User>::OPTION + __Shape::<User>::RESULT
                + __Shape::<User>::RESULT_OPTION
        };
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                ::core::module_path!(),
                "Repo::load",
                ::core::concat!(::core::module_path!(), "::Repo::load:{id}"),
                __aside::Duration::from_secs(60u64),
            )
            .stores(
                &__aside::coding::<
                    __aside::Value<User, __SHAPE>,
                    __aside::DefaultCodec,
                >(0),
            );
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::Linked(& __READ)
        }
        use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
        let __key = __aside::KeyWriter::new("<")
            .literal(__aside::type_name::<Self>())
            .literal(
                ::core::concat!(" as ", ::core::module_path!(), "::users::Load>::load"),
            )
            .literal(":")
            .integer(id)
            .finish();
        let __body = ::core::pin::pin!(
            async move { if let ::core::option::Option::Some(__never) =
            ::core::option::Option::None:: < User > { return __never; } self.db.user(id).
            await }
        );
        let __returned = __aside::load(
                &__READ,
                __key,
                __aside::coding::<_, __aside::DefaultCodec>(0),
                __aside::ReturnAdapter::<User, __SHAPE>::SHARED.or_absent(),
                __body,
            )
            .await;
        __returned
    }
}
