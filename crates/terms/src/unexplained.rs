//! Why the state of a server connection is not fully known.

use super::label;

label! {
    /// Why a server connection may have state that no text and no report shows: the first statement since the last
    /// reset that the proxy could not explain.
    Unexplained {
        /// The statement uses tables, and the servers' catalogue was not read.
        Catalogue = "catalogue",
        /// The statement uses a table or a view that the catalogue does not know as plain.
        Relation = "relation",
        /// The statement calls a function that is not built in.
        Function = "function",
        /// The statement calls a procedure.
        Routine = "routine",
        /// The proxy does not explain statements of this form.
        Form = "form",
        /// The server reported a change without a name that the text does not explain.
        Report = "report",
        /// The server reported a variable or a schema that the text does not set.
        Name = "name",
    }
}

impl Unexplained {
    /// Returns the words for `explain`.
    pub const fn words(self) -> &'static str {
        match self {
            Unexplained::Catalogue => "it uses tables, and the servers' catalogue was not read",
            Unexplained::Relation => "it uses a table or a view that the catalogue does not know as plain",
            Unexplained::Function => "it calls a function that is not built in",
            Unexplained::Routine => "it calls a procedure",
            Unexplained::Form => "the proxy does not explain statements of this form",
            Unexplained::Report => "the server reported a change that the text does not explain",
            Unexplained::Name => "the server reported a variable or a schema that the text does not set",
        }
    }
}
