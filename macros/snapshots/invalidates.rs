pub async fn save_user(db: &Db, user: User) -> Result<(), DbError> {
    use ::cached_aside::__private as __aside;
    const __SHAPE: u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape};
        Shape::<Result<(), DbError>>::OPTION + Shape::<Result<(), DbError>>::RESULT
            + Shape::<Result<(), DbError>>::RESULT_OPTION
    };
    static __WRITE: __aside::WriteFunction = __aside::WriteFunction::new(
        __aside::WriteSettings::new(
            ::core::module_path!(),
            "save_user",
            ::core::file!(),
            ::core::line!(),
        ),
    );
    let keys = ::std::vec![
        __aside::any_key(< load_user > ::key(user.id)),
        __aside::KeyWriter::new("users:recent").finish(),
        __aside::KeyWriter::new("email:").value(& user.email).finish()
    ];
    __aside::write::<
        _,
        __SHAPE,
        _,
        _,
    >(
            &__WRITE,
            ::core::option::Option::None,
            keys,
            ::core::option::Option::None,
            async move {
                if let ::core::option::Option::Some(never) = ::core::option::Option::None::<
                    Result<(), DbError>,
                > {
                    return never;
                }
                db.save(user).await?;
                Ok(())
            },
            |_| ::std::vec::Vec::new(),
        )
        .await
}
