impl Repo {
    #[doc(hidden)]
    fn __load_user_read() -> &'static ::cached_aside::__private::ReadFunction {
        use ::cached_aside::__private as __aside;
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                ::core::module_path!(),
                "Repo::load_user",
                "{self.tenant}:user:{id:08}:{kind:?}",
                __aside::Duration::from_secs(60u64),
            )
            .stores(
                &__aside::coding::<
                    __aside::Value<
                        Option<User>,
                        {
                            use ::cached_aside::__private::{
                                NoShape as _, Shape as __Shape,
                            };
                            __Shape::<Option<User>>::OPTION
                                + __Shape::<Option<User>>::RESULT
                                + __Shape::<Option<User>>::RESULT_OPTION
                        },
                    >,
                    __aside::DefaultCodec,
                >(0),
            );
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::Linked(& __READ)
        }
        &__READ
    }
    #[cfg(doc)]
    /// The key of `load_user(id, kind)`.
    pub fn load_user_key(&self, id: u64, kind: Kind) -> ::cached_aside::Key<User> {
        use ::cached_aside::__private as __aside;
        __aside::key(
            Self::__load_user_read(),
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
    #[cfg(not(doc))]
    #[forbid(dead_code)]
    /// The key of `load_user(id, kind)`.
    pub fn load_user_key(
        &self,
        id: u64,
        kind: Kind,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Option<User>,
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Option<User>>::OPTION + __Shape::<Option<User>>::RESULT
                    + __Shape::<Option<User>>::RESULT_OPTION
            },
        >,
    > {
        use ::cached_aside::__private as __aside;
        __aside::key(
            Self::__load_user_read(),
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
    #[allow(clippy::unused_self)]
    pub fn __load_user_key(
        &self,
        id: u64,
        kind: Kind,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Option<User>,
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Option<User>>::OPTION + __Shape::<Option<User>>::RESULT
                    + __Shape::<Option<User>>::RESULT_OPTION
            },
        >,
    > {
        Self::load_user_key(self, id, kind)
    }
    /// `load_user` without the cache.
    #[allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]
    pub async fn load_user_uncached(&self, id: u64, kind: Kind) -> Option<User> {
        self.db.user(id, kind).await
    }
    #[doc(hidden)]
    #[cfg(not(miri))]
    #[allow(clippy::unused_self)]
    pub fn __load_user_in_batch(&self) {
        let _ = Self::load_user;
    }
    pub async fn load_user(&self, id: u64, kind: Kind) -> Option<User> {
        use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
        let __key = __aside::KeyWriter::new("")
            .value(&self.tenant)
            .literal(":user:")
            .value(&::core::format_args!("{:08}", __aside::number(& id)))
            .literal(":")
            .value(&::core::format_args!("{:?}", kind))
            .finish();
        let __body = ::core::pin::pin!(Self::load_user_uncached(self, id, kind));
        let __returned = __aside::load(
                Self::__load_user_read(),
                __key,
                __aside::coding::<_, __aside::DefaultCodec>(0),
                __aside::ReturnAdapter::<
                    Option<User>,
                    {
                        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                        __Shape::<Option<User>>::OPTION + __Shape::<Option<User>>::RESULT
                            + __Shape::<Option<User>>::RESULT_OPTION
                    },
                >::SHARED
                    .or_absent(),
                __body,
            )
            .await;
        __returned
    }
}
