pub async fn save_user(db: &Db, user: User) -> Result<(), DbError> {
    use ::cached_aside::__private as __aside;
    static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
            ::core::module_path!(),
            "save_user",
        )
        .targets(
            &[
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of1 as __named;
                    {
                        use load_user as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
                __aside::Target::Template("users:recent"),
                __aside::Target::Template("email:{user.email}"),
            ],
        );
    ::cached_aside::__private::inventory::submit! {
        ::cached_aside::__private::LinkedWrite(& __WRITE)
    }
    let __keys = [
        __aside::any_key({
            use ::cached_aside::__private::not_cached::Of1 as __named;
            {
                use load_user as __named;
                <__named>::key(user.id)
            }
        }),
        __aside::KeyWriter::new("users:recent").finish(),
        __aside::KeyWriter::new("email:").value_of_write(&user.email).finish(),
    ];
    let __body = ::core::pin::pin!(
        async move { if let ::core::option::Option::Some(__never) =
        ::core::option::Option::None:: < Result < (), DbError > > { return __never; } db
        .save(user). await ?; Ok(()) }
    );
    let __returned = __aside::write(&__WRITE, __keys, __body).await;
    __returned
}
