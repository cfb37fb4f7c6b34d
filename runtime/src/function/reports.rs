//! What the log says of a cached function, once for each.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{
    CodecError,
    fingerprint::{Uncacheable, structure::Incomplete},
    function::read::{ReadFunction, ReadSettings},
};

impl ReadFunction {
    /// What a type's structure does not tell apart is told apart by the build.
    pub(super) fn warn_once_one_build(&self, why: Incomplete) {
        static ABORTS: AtomicBool = AtomicBool::new(false);
        if why == Incomplete::Aborts && !first_time(&ABORTS) {
            // It is the same for all functions.
            return;
        }
        let ReadSettings { module, name, file, line, .. } = self.settings;
        tracing::warn!(
            module,
            function = name,
            file,
            line,
            %why,
            "entries are shared by processes of the same build only: the structure of the type can't be compared; \
             `version = only(1)` shares them with all builds, and the version must then be raised with every change of the type"
        );
    }

    pub(crate) fn warn_once_uncacheable(&self, error: &Uncacheable) {
        if error.is_passing() {
            let ReadSettings { module, name, .. } = self.settings;
            tracing::debug!(module, function = name, %error, "the function runs uncached until then");
        } else if first_time(&self.said.uncacheable) {
            let ReadSettings { module, name, template, file, line, .. } = self.settings;
            tracing::error!(module, function = name, template, file, line, %error, "the function runs uncached");
        }
    }

    pub(crate) fn warn_once_unprintable(&self, key: &str) {
        if first_time(&self.said.unprintable) {
            let ReadSettings { module, name, template, file, line, .. } = self.settings;
            tracing::error!(
                module,
                function = name,
                template,
                file,
                line,
                key,
                "the `Display` of a value in the key failed; such calls run uncached"
            );
        }
    }

    pub(crate) fn warn_once_errors_unreadable(&self, error: &Uncacheable) {
        if first_time(&self.said.unencodable) {
            let ReadSettings { module, name, file, line, .. } = self.settings;
            tracing::error!(module, function = name, file, line, %error, "the function's errors are not stored");
        }
    }

    pub(crate) fn warn_once_undecodable(&self, key: &str, error: &CodecError) {
        if first_time(&self.said.undecodable) {
            let ReadSettings { module, name, .. } = self.settings;
            tracing::error!(module, function = name, key, %error, "the entry can't be read and is replaced");
        }
    }

    pub(crate) fn warn_once_recursive(&self, key: &str) {
        if first_time(&self.said.recursive) {
            let ReadSettings { module, name, file, line, .. } = self.settings;
            tracing::warn!(
                module,
                function = name,
                file,
                line,
                key,
                "recursive load: the body calls this function with the same key again, directly or through another; the inner call runs the body uncached"
            );
        }
    }

    pub(crate) fn warn_once_unencodable(&self, key: &str, error: &str) {
        if first_time(&self.said.unencodable) {
            let ReadSettings { module, name, .. } = self.settings;
            tracing::error!(module, function = name, key, error, "the value can't be stored");
        }
    }
}

fn first_time(said: &AtomicBool) -> bool {
    !said.swap(true, Relaxed)
}
