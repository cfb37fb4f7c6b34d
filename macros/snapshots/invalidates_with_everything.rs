impl Repo {
    pub async fn create(&self, tenant: String, user: NewUser) -> Result<User, Error> {
        use ::cached_aside::__private as __aside;
        const __SHAPE: u8 = {
            use ::cached_aside::__private::{NoShape as _, Shape};
            Shape::<Result<User, Error>>::OPTION + Shape::<Result<User, Error>>::RESULT
                + Shape::<Result<User, Error>>::RESULT_OPTION
        };
        static __WRITE: __aside::WriteFunction = __aside::WriteFunction::new(
            __aside::WriteSettings::new(
                    ::core::module_path!(),
                    "Repo::create",
                    ::core::file!(),
                    ::core::line!(),
                )
                .guard(__aside::Guard::Required)
                .guard_for(::core::time::Duration::from_secs(3u64))
                .settle(::core::time::Duration::new(0u64, 250000000u32)),
        );
        let when: bool = user.active;
        let keys = if when {
            ::std::vec![__aside::any_key(Self::count_key(& tenant))]
        } else {
            ::std::vec::Vec::new()
        };
        let argument0 = tenant.clone();
        let argument1 = ::std::format!("{}", tenant);
        let cache: &::cached_aside::Cache = &self.cache;
        let body = async move {
            if let ::core::option::Option::Some(never) = ::core::option::Option::None::<
                Result<User, Error>,
            > {
                return never;
            }
            self.db.insert(tenant, user).await
        };
        if when {
            __aside::write::<
                _,
                __SHAPE,
                _,
                _,
            >(
                    &__WRITE,
                    ::core::option::Option::Some(cache),
                    keys,
                    ::core::option::Option::Some(__aside::refuse::<Result<User, Error>>),
                    body,
                    move |
                        result: &<Result<
                            User,
                            Error,
                        > as __aside::Success<__SHAPE>>::Value|
                    {
                        ::std::vec![
                            __aside::any_key(self.__load_key(result.id)),
                            __aside::any_key(< users::by_name > ::key(argument0, & result
                            .name)), __aside::KeyWriter::new("users:").value(& argument1)
                            .literal(":").value(& ::core::format_args!("{:x}", result
                            .group.id)).finish()
                        ]
                    },
                )
                .await
        } else {
            body.await
        }
    }
}
