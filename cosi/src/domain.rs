//! What a hash or a signature is for: every domain tag of the workspace, in one place.
//!
//! A tag is 16 bytes, so none is a prefix of another; a test holds that they differ.

/// Says what a signature or a hash is for.
pub type Domain = [u8; 16];

/// `name`, padded with zeros.
const fn tag(name: &str) -> Domain {
    let (name, mut tag, mut at) = (name.as_bytes(), [0; 16], 0);
    while let Some((first, _)) = name.split_at(at).1.split_first() {
        let (_, rest) = tag.split_at_mut(at);
        if let Some(slot) = rest.first_mut() {
            *slot = *first;
        }
        at = at.saturating_add(1);
    }
    tag
}

macro_rules! domains {
    ($($(#[$doc:meta])+ $name:ident = $tag:literal;)+) => {
        $($(#[$doc])+ pub const $name: Domain = tag($tag);)+
        /// All tags, by name.
        pub const ALL: &[(&str, Domain)] = &[$(($tag, $name)),+];
    };
}

domains! {
    /// Proof of possession of a signing key.
    POSSESSION = "cosi/v1/possess";
    /// Derives the name of a peer from its identity key.
    PEER = "cosi/v1/peer";
    /// A member in a roster's Merkle tree.
    MEMBER = "cosi/v1/member";
    /// Names a roster.
    ROSTER = "cosi/v1/roster";
    /// Derives the coefficients of a batch verification.
    BATCH = "cosi/v1/batch";
    /// Derives a collective signer's nonces.
    NONCE = "cosi/v1/nonce";
    /// Names a signing session.
    SESSION = "cosi/v1/session";
    /// Binds a session's two nonces to all that is signed.
    BINDING = "cosi/v1/binding";
    /// A leader's call for commitments.
    ANNOUNCEMENT = "cosi/v1/announce";
    /// A cosigner's commitment, for this attempt or the one after.
    COMMITMENT = "cosi/v1/commit";
    /// A leader's challenge.
    CHALLENGE = "cosi/v1/chal";
    /// A cosigner's response.
    RESPONSE = "cosi/v1/response";
    /// A cosigner that cannot answer, and its fresh commitment.
    REFUSAL = "cosi/v1/refusal";
    /// A cosigner that does not sign the statement.
    DECLINE = "cosi/v1/decline";
    /// A leader's call for single signatures.
    POLL = "cosi/v1/poll";
    /// Names a round of signing whose leader is no member.
    ROUND = "cosi/v1/round";
    /// Deals the places of a tree.
    TREE = "cosi/v1/tree";
    /// Names what a leader's tree is dealt from.
    PLAN = "cosi/v1/plan";
    /// A leader's call for the commitments of a tree.
    CALL = "cosi/v1/call";
    /// The commitments of a subtree, said by who stands at its root.
    TUPLE = "cosi/v1/tuple";
    /// The responses of a subtree, said by who stands at its root.
    SUM = "cosi/v1/sum";
    /// The children that a tuple's sums are made of.
    CHILDREN = "cosi/v1/children";
    /// A leader's question of what a member made of a challenge.
    INQUIRY = "cosi/v1/inquiry";
    /// What a member made of a challenge, and of which of its children's words.
    ACCOUNT = "cosi/v1/descent";
    /// A collective signature that says who signed.
    ACCOUNTABLE = "cosi/v1/account";
    /// One member's signature in a certificate.
    INDIVIDUAL = "cosi/v1/single";
    /// Evidence against a collective signer.
    BLAME = "cosi/v1/blame";
    /// A sparse Merkle map's leaf.
    MAP_LEAF = "cosi/v1/mapleaf";
    /// A sparse Merkle map's inner node.
    MAP_NODE = "cosi/v1/mapnode";

    /// Derives a share key for DHPVSS from a seed.
    SHARE_KEY_DHPVSS = "pvss/v1/keydh";
    /// Derives a share key for Schoenmakers' scheme from a seed.
    SHARE_KEY_SCHOENMAKERS = "pvss/v1/keysch";
    /// Proof of possession of a share key.
    SHARE_POSSESSION = "pvss/v1/possess";
    /// Names a sharing: session, scheme, threshold and trustees.
    SHARING = "pvss/v1/sharing";
    /// Derives the second base of Schoenmakers' scheme from the session.
    SHARE_BASE = "pvss/v1/base";
    /// A dealer's secrets and the proof of its deal.
    DEAL = "pvss/v1/deal";
    /// The points of a deal, as a transcript takes them.
    DEAL_POINTS = "pvss/v1/points";
    /// Names the deals that are opened together.
    CHOSEN = "pvss/v1/chosen";
    /// The proof of a decrypted share.
    DECRYPTION = "pvss/v1/decrypt";
    /// Derives the coefficients of a batch of deals or shares.
    SHARE_BATCH = "pvss/v1/batch";

    /// What byzcoin's replicas sign.
    BYZCOIN = "byzcoin/v1/stmt";
    /// Names a proposed block.
    PROPOSAL = "byzcoin/v1/block";
    /// The prepare certificate that a view change names.
    LOCK = "byzcoin/v1/lock";
    /// Evidence against a replica.
    BYZCOIN_BLAME = "byzcoin/v1/blame";

    /// Names a skipchain block.
    SKIPBLOCK = "skipchain/v1/id";
    /// The back links of a skipchain block.
    BACK_LINK = "skipchain/v1/bk";
    /// A forward link.
    FORWARD_LINK = "skipchain/v1/fw";

    /// Names a session of RandHound.
    RANDHOUND_SESSION = "randhound/v1/sid";
    /// A server's share key, to which its roster entry commits.
    CANDIDATE = "randhound/v1/reg";
    /// Derives the grouping of a session's servers.
    GROUPING = "randhound/v1/grp";
    /// Names the sharing of one group in a session.
    GROUP_SHARING = "randhound/v1/shr";
    /// A client's invitation to a session.
    INVITATION = "randhound/v1/i1";
    /// A server's deal in a session.
    DEALING = "randhound/v1/r1";
    /// A client's choice of deals.
    CHOICE = "randhound/v1/i2";
    /// The hash over the chosen deals of one group.
    DEALS_ROOT = "randhound/v1/rt";
    /// Names the rounds in which servers acknowledge a choice collectively.
    ACKNOWLEDGING = "randhound/v1/ak";
    /// What the servers of a session decide.
    RANDHOUND = "randhound/v1/st";
    /// Derives a session's output.
    RANDOMNESS = "randhound/v1/out";
    /// Evidence against a client or a server of a session.
    RANDHOUND_BLAME = "randhound/v1/bl";
    /// Derives the key of a verifiable random function from a seed.
    VRF_KEY = "randhound/v1/vk";
    /// Proof of possession of the key of a verifiable random function.
    VRF_POSSESSION = "randhound/v1/vp";

    /// Derives a dealer's polynomial in a session of RandShare.
    RANDSHARE_SECRET = "randshare/v1/sec";
    /// Names the commitments of a dealer in a session of RandShare.
    RANDSHARE_DEAL = "randshare/v1/com";
    /// Derives the output of a session of RandShare.
    RANDSHARE_OUTPUT = "randshare/v1/out";

    /// Names a ledger.
    GENESIS = "omniledger/v1/ge";
    /// Names the chain of a ledger's validators.
    IDENTITY_CHAIN = "omniledger/v1/id";
    /// Names a shard's chain.
    SHARD_CHAIN = "omniledger/v1/sh";
    /// A validator's keys beside the one that signs, to which its roster entry commits.
    REGISTRATION = "omniledger/v1/rg";
    /// Derives who works in which shard.
    ASSIGNMENT = "omniledger/v1/as";

    /// Names a session, and is what the owners of its inputs sign.
    ATOMIX_SESSION = "atomix/v1/sess";
    /// Names an output of a session.
    ATOMIX_OUTPOINT = "atomix/v1/out";
    /// An unspent output in a shard's state.
    ATOMIX_UNSPENT = "atomix/v1/coin";
    /// What a shard decided on a session.
    ATOMIX_VERDICT = "atomix/v1/verd";
    /// What a shard decided on a session, at its place in a block.
    ATOMIX_ENTRY = "atomix/v1/entry";
    /// A shard's state.
    ATOMIX_STATE = "atomix/v1/state";

    /// A release of a file that witnesses cosign.
    RELEASE = "witness/v1/file";

    /// Names what a beacon's draws are for.
    BEACON_PURPOSE = "beacon/v1/purp";
    /// Draws winners by a beacon's output.
    BEACON_WINNERS = "beacon/v1/win";
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn tags_are_distinct_prefix_free_and_whole() {
        let tags = BTreeSet::from_iter(ALL.iter().map(|(_, tag)| tag));
        assert_eq!(tags.len(), ALL.len());
        for (name, tag) in ALL {
            assert!(name.len() <= 16 && tag.starts_with(name.as_bytes()), "{name}");
            let prefixed = ALL.iter().filter(|(_, other)| other.starts_with(tag)).count();
            assert_eq!(prefixed, 1, "{name}");
        }
    }
}
