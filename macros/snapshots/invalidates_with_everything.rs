impl Repo {
    pub async fn create(&self, tenant: String, user: NewUser) -> Result<User, Error> {
        use ::cached_aside::__private as __aside;
        static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
                ::core::module_path!(),
                "Repo::create",
            )
            .guard(__aside::Guard::Required)
            .guard_for(__aside::Duration::from_secs(3u64))
            .settle(__aside::Duration::new(0u64, 250000000u32))
            .targets(
                &[
                    __aside::Target::Method("Repo::count"),
                    __aside::Target::Method("Repo::load"),
                    __aside::Target::Function({
                        use ::cached_aside::__private::not_cached::Of2 as __named;
                        {
                            use users::by_name as __named;
                            <__named as ::cached_aside::__private::Companion>::function
                        }
                    }),
                    __aside::Target::Template("users:{tenant}:{result.group.id:x}"),
                ],
            );
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::LinkedWrite(& __WRITE)
        }
        let __when: ::core::primitive::bool = user.active;
        let __keys = if __when {
            ::core::option::Option::Some([
                __aside::any_key(
                    __aside::in_cache_of_write({
                        trait CachedMethod {
                            fn count_key() {}
                        }
                        impl<
                            T: ::cached_aside::__private::CachedMethod
                                + ?::core::marker::Sized,
                        > CachedMethod for T {}
                        Self::count_key(&tenant)
                    }),
                ),
            ])
        } else {
            ::core::option::Option::None
        };
        let __argument0 = if __when {
            ::core::option::Option::Some(tenant.clone())
        } else {
            ::core::option::Option::None
        };
        let __argument1 = if __when {
            ::core::option::Option::Some(__aside::text_of_write(&tenant))
        } else {
            ::core::option::Option::None
        };
        let __cache: ::core::option::Option<::cached_aside::Cache> = if __when {
            let __cache: ::cached_aside::Cache = ::core::clone::Clone::clone(
                &self.cache,
            );
            ::core::option::Option::Some(__cache)
        } else {
            ::core::option::Option::None
        };
        let __body = ::core::pin::pin!(
            async move { if let ::core::option::Option::Some(__never) =
            ::core::option::Option::None:: < Result < User, Error > > { return __never; }
            self.db.insert(tenant, user). await }
        );
        let __returned = if __when {
            __aside::write_with(
                    &__WRITE,
                    ::core::option::Option::as_ref(&__cache),
                    ::core::option::Option::Some(__aside::refuse::<Result<User, Error>>),
                    ::core::iter::Iterator::flatten(
                        ::core::iter::IntoIterator::into_iter(__keys),
                    ),
                    __body,
                    move |__returned| {
                        let ::core::option::Option::Some(__argument0) = __argument0 else {
                            return ::core::default::Default::default()
                        };
                        let ::core::option::Option::Some(__argument1) = __argument1 else {
                            return ::core::default::Default::default()
                        };
                        __aside::of_success::<
                            _,
                            {
                                use ::cached_aside::__private::{
                                    NoShape as _, Shape as __Shape,
                                };
                                __Shape::<Result<User, Error>>::OPTION
                                    + __Shape::<Result<User, Error>>::RESULT
                                    + __Shape::<Result<User, Error>>::RESULT_OPTION
                            },
                            _,
                        >(
                            __returned,
                            |result| [
                                __aside::any_key(
                                    __aside::in_cache_of_write({
                                        trait CachedMethod {
                                            fn __load_key(&self) {}
                                        }
                                        impl<
                                            T: ::cached_aside::__private::CachedMethod
                                                + ?::core::marker::Sized,
                                        > CachedMethod for T {}
                                        (*self).__load_key(result.id)
                                    }),
                                ),
                                __aside::any_key(
                                    __aside::in_cache_of_write({
                                        use ::cached_aside::__private::not_cached::Of2 as __named;
                                        {
                                            use users::by_name as __named;
                                            <__named>::key(__argument0, &result.name)
                                        }
                                    }),
                                ),
                                __aside::KeyWriter::new("users:")
                                    .value_of_write(&__argument1)
                                    .literal(":")
                                    .value(&::core::format_args!("{:x}", result.group.id))
                                    .finish(),
                            ],
                        )
                    },
                )
                .await
        } else {
            __body.await
        };
        __returned
    }
}
