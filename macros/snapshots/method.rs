impl Repo {
    const __LOAD_USER_SHAPE: u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape};
        Shape::<Option<User>>::OPTION + Shape::<Option<User>>::RESULT
            + Shape::<Option<User>>::RESULT_OPTION
    };
    /// The key of `load_user(id, kind)`.
    #[allow(dead_code)]
    #[must_use]
    pub fn load_user_key(
        &self,
        id: u64,
        kind: Kind,
    ) -> ::cached_aside::Key<
        <Option<
            User,
        > as ::cached_aside::__private::Outcome<{ Self::__LOAD_USER_SHAPE }>>::Value,
    > {
        use ::cached_aside::__private as __aside;
        __aside::key(
            __aside::KeyWriter::new("")
                .value(&self.tenant)
                .literal(":user:")
                .value(&::core::format_args!("{:08}", __aside::number(& id)))
                .literal(":")
                .value(&::core::format_args!("{:?}", kind))
                .finish(),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    #[doc(hidden)]
    #[allow(dead_code, clippy::unused_self)]
    #[must_use]
    pub fn __load_user_key(
        &self,
        id: u64,
        kind: Kind,
    ) -> ::cached_aside::Key<
        <Option<
            User,
        > as ::cached_aside::__private::Outcome<{ Self::__LOAD_USER_SHAPE }>>::Value,
    > {
        Self::load_user_key(self, id, kind)
    }
    /// `load_user` without the cache.
    #[allow(
        dead_code,
        clippy::missing_errors_doc,
        clippy::missing_panics_doc,
        clippy::too_many_arguments
    )]
    pub async fn load_user_uncached(&self, id: u64, kind: Kind) -> Option<User> {
        self.db.user(id, kind).await
    }
    pub async fn load_user(&self, id: u64, kind: Kind) -> Option<User> {
        use ::cached_aside::__private::{self as __aside, NotShared as _};
        static __READ: __aside::ReadFunction = __aside::ReadFunction::new(
            __aside::ReadSettings::new(
                ::core::module_path!(),
                "Repo::load_user",
                "{self.tenant}:user:{id:08}:{kind:?}",
                ::core::file!(),
                ::core::line!(),
                ::core::time::Duration::from_secs(60u64),
            ),
        );
        let key = __aside::KeyWriter::new("")
            .value(&self.tenant)
            .literal(":user:")
            .value(&::core::format_args!("{:08}", __aside::number(& id)))
            .literal(":")
            .value(&::core::format_args!("{:?}", kind))
            .finish();
        __aside::load::<
            _,
            { Self::__LOAD_USER_SHAPE },
            _,
        >(
                &__READ,
                ::core::option::Option::None,
                key,
                __aside::coding::<_, __aside::DefaultCodec>(0),
                __aside::Sharing::<
                    <Option<
                        User,
                    > as __aside::Outcome<{ Self::__LOAD_USER_SHAPE }>>::Error,
                >::SHARED,
                Self::load_user_uncached(self, id, kind),
            )
            .await
    }
}
