//! The verbs we know and what kind of thing each of them is.

/// Longest name in the table below.
const LONGEST: usize = 7;

macro_rules! verbs {
    ($($verb:ident = $name:literal $(| $twin:literal)*,)+) => {
        /// A verb of the protocol. The experimental twins of RFC 1123 §4.1.3.1 are the verb they
        /// stand for (P11), so that a policy for MKD is one for XMKD.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Verb {
            $(#[doc = concat!("`", $name, "`")] $verb,)+
            /// A verb we do not know.
            Other,
        }

        impl Verb {
            /// Every verb but [`Verb::Other`].
            pub const ALL: &[Self] = &[$(Self::$verb),+];

            /// The name in upper case; `?` for [`Verb::Other`], which has none of its own.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$verb => $name,)+
                    Self::Other => "?",
                }
            }

            fn of_upper(name: &str) -> Self {
                match name {
                    $($name $(| $twin)* => Self::$verb,)+
                    _ => Self::Other,
                }
            }
        }
    };
}

verbs! {
    // RFC 959
    User = "USER",
    Pass = "PASS",
    Acct = "ACCT",
    Cwd = "CWD" | "XCWD",
    Cdup = "CDUP" | "XCUP",
    Smnt = "SMNT",
    Quit = "QUIT",
    Rein = "REIN",
    Port = "PORT",
    Pasv = "PASV",
    Type = "TYPE",
    Stru = "STRU",
    Mode = "MODE",
    Retr = "RETR",
    Stor = "STOR",
    Stou = "STOU",
    Appe = "APPE",
    Allo = "ALLO",
    Rest = "REST",
    Rnfr = "RNFR",
    Rnto = "RNTO",
    Abor = "ABOR",
    Dele = "DELE",
    Rmd = "RMD" | "XRMD",
    Mkd = "MKD" | "XMKD",
    Pwd = "PWD" | "XPWD",
    List = "LIST",
    Nlst = "NLST",
    Site = "SITE",
    Syst = "SYST",
    Stat = "STAT",
    Help = "HELP",
    Noop = "NOOP",
    // RFC 1579, RFC 1639
    Apsv = "APSV",
    Lprt = "LPRT",
    Lpsv = "LPSV",
    // RFC 2228, RFC 4217
    Auth = "AUTH",
    Adat = "ADAT",
    Pbsz = "PBSZ",
    Prot = "PROT",
    Ccc = "CCC",
    Mic = "MIC",
    Conf = "CONF",
    Enc = "ENC",
    // RFC 2389, RFC 2428, RFC 2640, RFC 3659, RFC 6384, RFC 7151
    Feat = "FEAT",
    Opts = "OPTS",
    Eprt = "EPRT",
    Epsv = "EPSV",
    Lang = "LANG",
    Mdtm = "MDTM",
    Mlsd = "MLSD",
    Mlst = "MLST",
    Size = "SIZE",
    Algs = "ALGS",
    Host = "HOST",
    // Drafts and vendors (requirements §14)
    Mfmt = "MFMT",
    Mff = "MFF",
    Mfct = "MFCT",
    Hash = "HASH",
    Rang = "RANG",
    Comb = "COMB",
    Thmb = "THMB",
    Avbl = "AVBL",
    Clnt = "CLNT",
    Csid = "CSID",
    Pret = "PRET",
    Sscn = "SSCN",
    Cpsv = "CPSV",
    Spsv = "SPSV",
    Esta = "ESTA",
    Estp = "ESTP",
    Xcrc = "XCRC",
    Xmd5 = "XMD5",
    Xsha = "XSHA",
    Xsha1 = "XSHA1",
    Xsha256 = "XSHA256",
    Xsha512 = "XSHA512",
}

impl Verb {
    /// The verb with that name, in whatever case.
    pub fn of(name: &[u8]) -> Self {
        let mut upper = [0; LONGEST];
        let Some(upper) = upper.get_mut(..name.len()) else { return Self::Other };
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        std::str::from_utf8(upper).map_or(Self::Other, Self::of_upper)
    }

    /// Whether a data connection carries what it asks for (P38). MLST, SIZE, MDTM and STAT answer
    /// on the control connection.
    pub const fn opens_data(self) -> bool {
        matches!(self, Self::Retr | Self::List | Self::Nlst | Self::Mlsd) || self.is_upload()
    }

    /// Whether the data flows from the client to the server.
    pub const fn is_upload(self) -> bool {
        matches!(self, Self::Stor | Self::Stou | Self::Appe)
    }

    /// Whether it sets up a data connection in a way that the gateway does not carry, or turns
    /// the roles on it around: answered with 502, never passed (P12, P81, P182, P187).
    pub const fn sets_up_foreign_data(self) -> bool {
        matches!(
            self,
            Self::Lprt
                | Self::Lpsv
                | Self::Spsv
                | Self::Apsv
                | Self::Cpsv
                | Self::Sscn
                | Self::Esta
                | Self::Estp
        )
    }

    /// Whether it changes the protection of a connection (RFC 2228, RFC 4217): the gateway's own
    /// to answer, never passed (P12, P115, P125).
    pub const fn is_security(self) -> bool {
        matches!(
            self,
            Self::Auth
                | Self::Adat
                | Self::Pbsz
                | Self::Prot
                | Self::Ccc
                | Self::Mic
                | Self::Conf
                | Self::Enc
        )
    }

    /// Whether the server may work on it for minutes: checksums, joins, SITE (P185).
    pub const fn is_slow(self) -> bool {
        matches!(
            self,
            Self::Hash
                | Self::Comb
                | Self::Xcrc
                | Self::Xmd5
                | Self::Xsha
                | Self::Xsha1
                | Self::Xsha256
                | Self::Xsha512
                | Self::Site
        )
    }

    /// Whether an argument has a meaning. Where it has none, blanks behind the verb are nothing
    /// (P3).
    pub const fn takes_argument(self) -> bool {
        !matches!(
            self,
            Self::Cdup
                | Self::Quit
                | Self::Rein
                | Self::Pasv
                | Self::Stou
                | Self::Abor
                | Self::Pwd
                | Self::Syst
                | Self::Noop
                | Self::Feat
                | Self::Ccc
                | Self::Apsv
                | Self::Lpsv
                | Self::Cpsv
                | Self::Spsv
                | Self::Estp
        )
    }
}
