//! The format of everything that leader and cosigners say: fixed, and of one encoding.

use std::time::Duration;

use cosi::{
    CollectiveSignature, Mode,
    challenge::{Challenge, ChallengeId},
    keys::Signature,
    machine::Time,
    mask::Mask,
    message::{
        Account, Ask, Call, Commitment, Decline, Inquiry, Message, Named, Poll, Quote, Refusal,
        Response, Said, Single, StatementBytes, Sum, Tuple,
    },
    nonce::NonceId,
    roster::RosterId,
    session::{Digest, Session, SessionId},
    tree::{Branching, Plan, PlanId, Shape},
    wire::{BoundedVec, Wire},
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest as _, Sha256};

struct Seeded(ChaCha20Rng);

impl Seeded {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    fn statement(&mut self) -> StatementBytes {
        let len = usize::from(self.number() % 40);
        StatementBytes::new(self.bytes::<40>()[..len].to_vec()).unwrap()
    }

    fn said<T>(&mut self, what: T) -> Said<T> {
        Said { what, signature: Signature(self.bytes()) }
    }

    fn session(&mut self) -> Session {
        Session {
            mode: if self.number().is_multiple_of(2) { Mode::Accountable } else { Mode::Raw },
            roster: RosterId(self.bytes()),
            statement: Digest(self.bytes()),
            leader: self.number(),
            entropy: self.bytes(),
            attempt: u32::from_le_bytes(self.bytes()),
        }
    }

    fn commitment(&mut self) -> Said<Commitment> {
        let commitment = Commitment {
            roster: RosterId(self.bytes()),
            leader: self.number(),
            member: self.number(),
            nonce: NonceId(self.bytes()),
            points: [self.bytes(), self.bytes()],
        };
        self.said(commitment)
    }

    fn mask(&mut self) -> Mask {
        Mask::from_bytes(self.bytes::<5>().to_vec()).unwrap()
    }

    fn response(&mut self) -> Said<Response> {
        let response = Response {
            challenge: ChallengeId(self.bytes()),
            member: self.number(),
            nonce: NonceId(self.bytes()),
            response: self.bytes(),
            ahead: self.commitment(),
        };
        self.said(response)
    }

    fn tuple(&mut self) -> Said<Tuple> {
        let tuple = Tuple {
            roster: RosterId(self.bytes()),
            leader: self.number(),
            plan: PlanId(self.bytes()),
            member: self.number(),
            nonce: NonceId(self.bytes()),
            own: [self.bytes(), self.bytes()],
            sums: [self.bytes(), self.bytes()],
            mask: self.mask(),
            children: self.bytes(),
        };
        self.said(tuple)
    }

    fn child(&mut self) -> (Named, Option<Quote>) {
        let named = Named {
            member: self.number(),
            nonce: NonceId(self.bytes()),
            tuple: self.bytes(),
            sums: [self.bytes(), self.bytes()],
        };
        let quote = Quote { sum: self.bytes(), signature: Signature(self.bytes()) };
        (named, self.number().is_multiple_of(2).then_some(quote))
    }

    fn message(&mut self, kind: u8) -> Message {
        match kind {
            0 => {
                let session = self.session();
                Message::Announcement(self.said(session), self.statement())
            }
            1 => Message::Commitment(self.commitment()),
            2 => {
                let challenge = Challenge {
                    session: self.session(),
                    mask: self.mask(),
                    commitments: [self.bytes(), self.bytes()],
                    statement: self.statement(),
                };
                let nonce = NonceId(self.bytes());
                let even = nonce.0[0].is_multiple_of(2);
                let ask = if even { Ask::Own(nonce) } else { Ask::Branch(nonce) };
                Message::Challenge(self.said(challenge), ask)
            }
            3 => Message::Response(self.response()),
            6 => {
                let call = Call {
                    session: self.session(),
                    plan: Plan {
                        shape: Shape::Kary {
                            branching: Branching::new(self.bytes::<1>()[0] | 2).unwrap(),
                        },
                        seed: self.bytes(),
                        aside: self.mask(),
                    },
                    issued: Time::at(Duration::from_nanos(u64::from_le_bytes(self.bytes()))),
                    patience: u64::from_le_bytes(self.bytes()),
                };
                Message::Call(self.said(call), self.statement())
            }
            7 => Message::Tuple(self.tuple(), SessionId(self.bytes())),
            8 => {
                let sum = Sum {
                    leader: self.number(),
                    challenge: ChallengeId(self.bytes()),
                    member: self.number(),
                    nonce: NonceId(self.bytes()),
                    sum: self.bytes(),
                };
                Message::Sum(self.said(sum), self.tuple())
            }
            9 => {
                let inquiry = Inquiry {
                    roster: RosterId(self.bytes()),
                    leader: self.number(),
                    challenge: ChallengeId(self.bytes()),
                };
                Message::Inquiry(self.said(inquiry))
            }
            10 => {
                let (tuple, response) = (self.tuple(), self.response());
                let children = (0..self.number() % 3).map(|_| self.child()).collect();
                let children = BoundedVec::new(children).unwrap();
                let account = self.said(Account { tuple, response, children });
                let ahead = self.number().is_multiple_of(2).then(|| self.tuple());
                Message::Account(account, ahead)
            }
            11 => {
                let decline = Decline {
                    roster: RosterId(self.bytes()),
                    leader: self.number(),
                    statement: Digest(self.bytes()),
                    entropy: self.bytes(),
                    member: self.number(),
                };
                Message::Decline(self.said(decline))
            }
            12 => {
                let session = self.session();
                Message::Poll(self.said(Poll { session }), self.statement())
            }
            13 => Message::Single(Single {
                statement: Digest(self.bytes()),
                member: self.number(),
                signature: Signature(self.bytes()),
            }),
            _ => {
                let refusal = Refusal {
                    challenge: ChallengeId(self.bytes()),
                    member: self.number(),
                    nonce: self.number().is_multiple_of(2).then(|| NonceId(self.bytes())),
                    ahead: self.commitment(),
                };
                Message::Refusal(self.said(refusal))
            }
        }
    }

    fn signature(&mut self) -> CollectiveSignature {
        let (commitment, response) = (self.bytes(), self.bytes());
        CollectiveSignature { commitment, response, mask: self.mask() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One encoding each way; nothing truncated, trailing, or longer than it may be.
fn hold<T: Wire + PartialEq + core::fmt::Debug>(value: &T, lengths: &[(usize, u32)]) -> Vec<u8> {
    let encoding = value.encode();
    assert_eq!(T::decode(&encoding).as_ref(), Ok(value));
    for len in 0..encoding.len() {
        assert!(T::decode(&encoding[..len]).is_err(), "{len} of {}", encoding.len());
    }
    assert!(T::decode(&[&encoding[..], &[0]].concat()).is_err());
    for (at, bound) in lengths {
        let (before, rest) = encoding.split_at(*at);
        let (len, rest) = rest.split_first_chunk::<4>().unwrap();
        let after = &rest[u32::from_le_bytes(*len) as usize..];
        let with = |len: u32| {
            let items = vec![0; len.min(*bound + 1) as usize];
            T::decode(&[before, &len.to_le_bytes(), &items, after].concat())
        };
        assert!(with(*bound).is_ok(), "what stands here is a length");
        assert!(with(*bound + 1).is_err() && with(u32::MAX).is_err());
    }
    encoding
}

/// Where the formats stand. A change of one fails here, and is a decision.
#[test]
fn formats_are_those_of_version_1() {
    const SESSION: usize = 1 + 32 + 64 + 2 + 32 + 4;
    const TUPLE: usize = 32 + 2 + 32 + 2 + 16 + 2 * 64;
    const SUM: usize = 2 + 32 + 2 + 16 + 32;
    let expected = [
        (
            &[(1 + SESSION + 64, 32_768)][..],
            "28cdcb257fdaa8d4a6893b237371b52705e22caab461d9ff93fa922eff8407b4",
        ),
        (&[], "f14aba15de4fcbc42897258675bb0f10fca120a350b197011a7efd1c4ea51e51"),
        (
            &[(1 + SESSION, 8192), (1 + SESSION + 4 + 5 + 64, 32_768)],
            "5d680d6f00619d746a3749c5020a70a2874b2c125aa7a3f3e3f4bbee909805ee",
        ),
        (&[], "d684fee8620de13a8d07bb23d111b91bc548cb3a88e03674c9532663ada7c0f3"),
        (&[], "e8123ddd00efc5f76df484b0da399d5fe504929b8052ab96bdece2e75cccf5a8"),
        (&[(64, 8192)], "be5cbaea2792e292d6fb29ed4b2ee1c8ee2863fb61ff117a7f4b92b940fb48cf"),
        (
            &[(1 + SESSION + 2 + 32, 8192), (1 + SESSION + 2 + 32 + 4 + 5 + 8 + 8 + 64, 32_768)],
            "b447515edf1dba137a6b54d847c5d5da1c3a0672749225b72bb2e53332c7d339",
        ),
        (&[(1 + TUPLE, 8192)], "945198c1b7fdfcbccb4b82381587c6cab5a1afde0cde3cd44953bd9a4bdc8ade"),
        (
            &[(1 + SUM + 64 + TUPLE, 8192)],
            "5a8085fc0213eed12e402d75e18ded132f1bc8c26a4fd042decfeacfbb2d79c9",
        ),
        (&[], "4be2468252f8f7b920db52325f29824930563c936e17a3f981cf11788200c912"),
        (&[(1 + TUPLE, 8192)], "fc1d99bddc466b768af9c42885bdbbc387fa616c5d6d9c69a3063fbe72f64151"),
        (&[], "a046aed2629c9dd7307df43cb4acafa3258e3bf9658e30db2b8779fd70c8e0fb"),
        (
            &[(1 + SESSION + 64, 32_768)],
            "525067731abc1e3a50df739ce282e0add621849c148131ec7d39cc85999ae3e1",
        ),
        (&[], "95891898973a62158f049543e179cd413c2bd0d05ddd9b2acb4bceaeabe567c3"),
    ];
    for (kind, (lengths, expected)) in (0u8..).zip(expected) {
        let mut seeded = Seeded(ChaCha20Rng::seed_from_u64(u64::from(kind)));
        let mut hash = Sha256::new();
        for _ in 0..8 {
            hash.update(match kind {
                5 => hold(&seeded.signature(), lengths),
                _ => hold(&seeded.message(kind), lengths),
            });
        }
        assert_eq!(hex(&hash.finalize()), *expected, "kind {kind}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let mut seeded = Seeded(ChaCha20Rng::seed_from_u64(9));
    let mut encoding = seeded.message(0).encode();
    encoding[1] = 2; // a mode that there is not
    assert!(Message::decode(&encoding).is_err());
    let mut encoding = seeded.message(1).encode();
    encoding[0] = 13; // a message that there is not
    assert!(Message::decode(&encoding).is_err());
}

/// Bytes from a peer, whatever they are, neither panic nor get anywhere.
#[test]
fn no_flipped_bit_gets_through() {
    let mut world = crate::common::World::new(4);
    world.announce(b"x");
    world.run();
    let mut seeded = Seeded(ChaCha20Rng::seed_from_u64(1));
    for (_, _, message) in &world.log {
        let encoding = message.encode();
        for _ in 0..40 {
            let mut bad = encoding.clone();
            let at = usize::from(seeded.number()) % (bad.len() * 8);
            bad[at / 8] ^= 1 << (at % 8);
            let verified = Message::decode(&bad).map(|message| message.verify(&world.roster));
            // What is asked of one member stands beside what is signed.
            let beside = matches!(message, Message::Challenge(..)) && at / 8 >= bad.len() - 17;
            assert!(beside || !matches!(verified, Ok(Ok(_))), "bit {at} of {message:?}");
        }
    }
}
