//! Who signs an upper link has seen the lower ones, and signs one.

use std::sync::Arc;

use cosi::{
    Attests, Certificate, Leader, Policy, Statement, VerifyError, certificate,
    keys::Seed,
    leader,
    machine::{Cx, Time},
    mask::Mask,
    roster::{Member, Roster},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use skipchain::{
    Attested, ChainId, Conflict, Endorsed, Endorser, Header, LightClient, Link, LinkStatement,
    Proof, ProofError, Shape, Timeline,
    endorser::{EndorseError, Record, RestoreError},
    wire::Wire,
};

use crate::{
    common::{Chain, Group, QUORUM, shape},
    forward::{CHECKS, Decision, decision, of_engine},
};

/// What an endorsement comes to: records, and what they release.
fn endorse(
    member: &mut Endorser,
    from: &Header,
    level: u8,
    lower: &Proof,
) -> Result<(Vec<Record>, Endorsed), EndorseError> {
    let (records, held) = member.endorse(from, level, lower)?.into_records();
    let output = held.release();
    assert!(output.messages.is_empty() && output.faults.is_empty());
    let [endorsed] = output.events[..] else { panic!("one endorsement") };
    Ok((records, endorsed))
}

/// Two chains of one group that part after block 4.
fn forked() -> [Chain; 2] {
    [0, 100].map(|payload| {
        let mut chain = Chain::of(1, shape(2, 8), Group::new(10..14), 4);
        (5..=16).for_each(|index| chain.append([payload + index; 32]));
        chain
    })
}

/// By the links of these levels.
fn below(chain: &Chain, from: u64, target: u64, level: u8) -> Proof {
    let find = |at, below| chain.link(at, below).filter(|_| below < level);
    Proof::build(chain.header(from), target, find).unwrap()
}

#[test]
fn endorsed_links_make_proofs_logarithmic_across_every_change_of_the_roster() {
    // One of four members changes every three blocks. Each link, once its lower ones are there,
    // is endorsed by a quorum of the roster of its first block.
    const LEN: u64 = 32;
    let chain = Chain::new(1, Shape::default(), LEN, 3);
    let mut kept = Timeline::new(chain.header(0).clone()).unwrap();
    let mut made = 0;
    for end in 1..=LEN {
        let decision = chain.link(end - 1, 0).unwrap().attestation().clone();
        kept.append(chain.header(end), decision).unwrap();
        let group = chain.group(end);
        assert!(kept.show(group.roster.id(), group.open_all()));
        for link in kept.unattested(end) {
            let (from, group) = (chain.header(link.from_index), chain.group(link.from_index));
            let lower = kept.prove(from.index, end).unwrap();
            assert_eq!(lower.hops(), 2, "the two halves");
            let signed = QUORUM.map(|at| {
                let mut member = Endorser::new(&group.roster);
                let (_, endorsed) = endorse(&mut member, from, link.level, &lower).unwrap();
                assert_eq!(*endorsed.statement(), link);
                (group.roster.index(at).unwrap(), endorsed.sign(group.key(at)))
            });
            let certificate = Certificate::individual(&group.roster, signed).unwrap();
            kept.add_link(link.from_index, link.level, certificate, &group.roster).unwrap();
            made += 1;
        }
    }
    // 16 + 8 + 4 + 2 + 1.
    assert_eq!(made, 31);
    for (from, to, hops) in [(0, 32, 1), (0, 31, 5), (1, 31, 8), (1, 32, 5), (5, 29, 6)] {
        let proof = kept.prove(from, to).unwrap();
        assert_eq!(proof.hops(), hops, "{from} to {to}");
        assert_eq!(chain.client(from).verify(&proof).unwrap().header(), chain.header(to));
    }
}

#[test]
fn an_engines_decisions_need_endorsements_only_across_a_change_of_the_roster() {
    // Blocks 12 and 24 bring in another group each, which decides on the block after.
    const LEN: u64 = 32;
    let chain = Chain::new(1, Shape::default(), LEN, 12);
    let mut kept = Timeline::new(chain.header(0).clone()).unwrap();
    let mut made = Vec::new();
    for end in 1..=LEN {
        let (to, decides) = (chain.header(end), chain.group(end - 1));
        let decision = Decision(decides.sign_bytes(&of_engine(&to.id()), &QUORUM));
        kept.append(to, Attested::Decided(decision)).unwrap();
        let group = chain.group(end);
        assert!(kept.show(group.roster.id(), group.open_all()));
        for link in kept.unattested(end) {
            let (from, group) = (chain.header(link.from_index), chain.group(link.from_index));
            let lower = kept.prove(from.index, end).unwrap();
            let signed = QUORUM.map(|at| {
                let step = Endorser::new(&group.roster).endorse(from, link.level, &lower).unwrap();
                let [endorsed] = step.into_records().1.release().events[..] else { panic!() };
                (group.roster.index(at).unwrap(), endorsed.sign(group.key(at)))
            });
            let certificate = Certificate::individual(&group.roster, signed).unwrap();
            let attested = Attested::Linked(certificate);
            kept.add_link(link.from_index, link.level, attested, &group.roster).unwrap();
            made.push((link.from_index, end));
        }
    }
    assert_eq!(made, [(8, 16), (0, 16), (16, 32), (0, 32)]);
    for (from, to, hops) in [(0, 32, 1), (0, 31, 5), (1, 31, 8), (9, 23, 6)] {
        let proof = kept.prove(from, to).unwrap();
        let proof = Proof::<Attested<Decision>>::decode(&proof.encode()).unwrap();
        assert_eq!(proof.hops(), hops, "{from} to {to}");
        assert_eq!(chain.client(from).verify(&proof).unwrap().header(), chain.header(to));
    }

    // A certificate on a link of level 0 is no decision.
    let certificate = chain.link(0, 0).unwrap().attestation().clone();
    let statement = chain.statement(0, 0).unwrap();
    let keys = &chain.group(0).roster;
    assert!(certificate.attests(&statement, keys, &Policy::Quorum).is_ok());
    let attested = Attested::<Decision>::Linked(certificate);
    let refused = attested.attests(&statement, keys, &Policy::Quorum);
    assert_eq!(refused, Err(VerifyError::Signature));
}

#[test]
fn a_second_link_is_refused_also_after_a_restart() {
    let [real, fork] = forked();
    let group = real.group(4);
    let mut member = Endorser::new(&group.roster);
    let lower = |chain| below(chain, 4, 8, 2);
    let (records, endorsed) = endorse(&mut member, real.header(4), 2, &lower(&real)).unwrap();
    let record = Record { from: real.header(4).id(), level: 2, to: real.header(8).id() };
    assert_eq!(records, [record]);
    assert_eq!(*endorsed.statement(), real.statement(4, 2).unwrap());

    let restored = Endorser::restore(&group.roster, [Record::decode(&record.encode()).unwrap()]);
    assert_eq!(restored.as_ref(), Ok(&member));
    for mut member in [member, restored.unwrap()] {
        let before = member.clone();
        let refused = EndorseError::Conflict {
            from: real.header(4).id(),
            level: 2,
            signed: real.header(8).id(),
            asked: fork.header(8).id(),
        };
        assert_eq!(endorse(&mut member, fork.header(4), 2, &lower(&fork)), Err(refused));
        // The same again is said again, and recorded once.
        assert_eq!(endorse(&mut member, real.header(4), 2, &lower(&real)), Ok((vec![], endorsed)));
        assert_eq!(member, before);
        // Another level, and another block, are slots of their own.
        let (records, _) = endorse(&mut member, fork.header(4), 1, &below(&fork, 4, 6, 1)).unwrap();
        assert_eq!(records, [Record { level: 1, to: fork.header(6).id(), ..record }]);
    }

    // Who forgot is convicted.
    let mut forgetful = Endorser::restore(&group.roster, []).unwrap();
    let (_, other) = endorse(&mut forgetful, fork.header(4), 2, &lower(&fork)).unwrap();
    let links = [endorsed, other].map(|endorsed| {
        let signed = (group.roster.index(2).unwrap(), endorsed.sign(group.key(2)));
        (*endorsed.statement(), Certificate::individual(&group.roster, [signed]).unwrap())
    });
    assert_eq!(Conflict { links }.verify(&group.roster), Some(Mask::of(4, [2])));
    let broken = [record, Record { to: fork.header(8).id(), ..record }];
    assert_eq!(Endorser::restore(&group.roster, broken), Err(RestoreError));
    assert!(Endorser::restore(&group.roster, [record, record]).is_ok());
}

#[test]
fn only_lower_links_that_hold_and_lead_there_are_endorsed() {
    let chain = Chain::new(1, shape(2, 4), 16, 6);
    let group = chain.group(0);
    let fresh = Endorser::new(&group.roster);
    let mut member = fresh.clone();
    let mut refusal = |from: &Header, level, lower: &Proof| {
        let refused = endorse(&mut member, from, level, lower).unwrap_err();
        assert_eq!(member, fresh, "nothing is kept of what is refused");
        refused
    };
    let genesis = chain.header(0);
    // Blocks of other rosters, of no chain, and without such a level.
    assert_eq!(refusal(chain.header(8), 1, &below(&chain, 8, 10, 1)), EndorseError::Roster);
    let unsound = Header { version: 2, ..genesis.clone() };
    assert_eq!(refusal(&unsound, 1, &below(&chain, 0, 2, 1)), EndorseError::Header);
    for (from, level) in [(0, 0), (0, 4), (0, 255), (2, 2), (5, 1)] {
        let (from, lower) = (chain.header(from), below(&chain, from, from + 1, 9));
        assert_eq!(refusal(from, level, &lower), EndorseError::Level);
    }
    // The link itself, or one that passes over it.
    let itself = chain.prove(vec![chain.link(0, 2).unwrap()]);
    assert_eq!(refusal(genesis, 2, &itself), EndorseError::Lower { link: 0 });
    assert_eq!(refusal(genesis, 1, &itself), EndorseError::Lower { link: 0 });
    // Not far enough, too far, from elsewhere, of another chain.
    for index in [0, 3, 5] {
        let lower = below(&chain, 0, index, 2);
        assert_eq!(refusal(genesis, 2, &lower), EndorseError::End { index });
    }
    let start = EndorseError::Proof(ProofError::Start);
    assert_eq!(refusal(genesis, 2, &below(&chain, 2, 4, 2)), start);
    let twin = Chain::of(3, shape(2, 4), group.clone(), 4);
    let foreign = EndorseError::Proof(ProofError::Chain);
    assert_eq!(refusal(genesis, 2, &below(&twin, 0, 4, 2)), foreign);
    // A lower link that a quorum did not sign, wherever it stands.
    for forged in 0..8 {
        let links = (0..8).map(|at| {
            let signers: &[u16] = if at == forged { &QUORUM[..2] } else { &QUORUM };
            let certificate = chain.group(at).sign(&chain.statement(at, 0).unwrap(), signers);
            chain.link_by(at, 0, certificate, Some(chain.group(at).open(&QUORUM))).unwrap()
        });
        let lower = chain.prove(links.collect());
        let link = usize::try_from(forged).unwrap();
        let error = VerifyError::Policy;
        let refused = EndorseError::Proof(ProofError::Certificate { link, error });
        assert_eq!(refusal(genesis, 3, &lower), refused);
    }
    assert!(endorse(&mut member, genesis, 3, &below(&chain, 0, 8, 3)).is_ok());
}

/// Whoever asks has no member check the signatures of a longer way than that to the link's end.
#[test]
fn a_way_that_leads_elsewhere_costs_no_signature() {
    let chain = Chain::of(1, shape(2, 8), Group::new(10..14), 64);
    let links: Vec<_> = (0..64).map(|index| decision(&chain, index)).collect();
    let mut member = Endorser::new(&chain.group(0).roster);
    CHECKS.set(0);
    let all = Proof::new(chain.header(0), links[..64].to_vec()).unwrap();
    let refused = member.endorse(chain.header(0), 2, &all).unwrap_err();
    assert_eq!((refused, CHECKS.get()), (EndorseError::End { index: 64 }, 0));
    let four = Proof::new(chain.header(0), links[..4].to_vec()).unwrap();
    assert!(member.endorse(chain.header(0), 2, &four).is_ok());
    assert_eq!(CHECKS.get(), 4);
}

#[test]
fn a_link_signed_unseen_deceives_and_none_is_endorsed() {
    // Thieves hold no key of any roster. They write a block 8 of their own, with the true back
    // link to block 0.
    let chain = Chain::new(1, shape(2, 4), 8, 99);
    let (group, thieves) = (chain.group(0), Group::new(90..94));
    let genesis = chain.header(0);
    let fake = Header { roster: thieves.roster.id(), ..chain.header(8).clone() };
    let statement = LinkStatement::new(3, genesis, &fake);
    let link = |certificate| Link::new(3, genesis, &fake, chain.back(8), certificate, None);
    // Members that sign what they are given make it a block of the chain.
    let signed = link(group.sign(&statement, &QUORUM));
    assert_eq!(chain.judge(signed).unwrap().header(), &fake);

    // A member that is to see the links below sees none that lead there.
    let mut member = Endorser::new(&group.roster);
    let last = |certificate, opening| {
        let (from, back) = (chain.header(7), chain.back(8));
        Link::new(0, from, &fake, back, certificate, opening).unwrap()
    };
    let lower = |last| {
        let mut links = below(&chain, 0, 7, 3).links().to_vec();
        links.push(last);
        chain.prove(links)
    };
    let statement = LinkStatement::new(0, chain.header(7), &fake);
    let stolen = chain.link(7, 0).unwrap().attestation().clone();
    let own = thieves.sign(&statement, &QUORUM);
    for (certificate, opening) in
        [(stolen, None), (own.clone(), None), (own, Some(thieves.open(&QUORUM)))]
    {
        let refused = endorse(&mut member, genesis, 3, &lower(last(certificate, opening)));
        assert!(matches!(refused, Err(EndorseError::Proof(_))), "{refused:?}");
    }
    // Nor does the chain's own way to block 8 get them more than the link to the chain's block 8.
    let (_, endorsed) = endorse(&mut member, genesis, 3, &below(&chain, 0, 8, 3)).unwrap();
    assert_eq!(endorsed.statement().to, chain.header(8).id());
}

#[test]
fn a_member_keeps_a_record_a_link_and_no_more() {
    // All links of 64 blocks, each asked for twice: 32 + 16 + 8 + 4 + 2 + 1.
    let chain = Chain::of(1, Shape::default(), Group::new(1..5), 64);
    let mut member = Endorser::new(&chain.group(0).roster);
    let mut all = Vec::new();
    for end in 1..=64 {
        for level in 1..chain.header(end).height {
            let from = chain.header(end - (1 << level));
            let lower = below(&chain, from.index, end, level);
            for fresh in [1, 0] {
                let (records, _) = endorse(&mut member, from, level, &lower).unwrap();
                assert_eq!(records.len(), fresh);
                all.extend(records);
            }
        }
    }
    assert_eq!(all.len(), 63);
    assert!(all.iter().all(|record| record.encode().len() == 65));
    assert_eq!(Endorser::restore(&chain.group(0).roster, all), Ok(member));
}

#[test]
fn a_leader_makes_a_collective_link_of_what_is_endorsed() {
    let key = Arc::new(Seed::from_bytes([1; 32]).signing_key());
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let roster = Roster::new([Member::new(&key, &mut rng)]).unwrap();
    let of = ChainId([1; 32]);
    let genesis = Header::genesis(of, Shape::default(), roster.id(), [0; 32], None);
    let mut kept = Timeline::new(genesis.clone()).unwrap();
    for _ in 0..2 {
        let header = kept.next(roster.id(), [7; 32], None);
        let statement = LinkStatement::new(0, kept.tip(), &header).to_signed();
        let signature = certificate::sign(&key, &roster.id(), &statement);
        let signed = [(roster.index(0).unwrap(), signature)];
        kept.append(&header, Certificate::individual(&roster, signed).unwrap()).unwrap();
    }
    let mut member = Endorser::new(&roster);
    let (_, endorsed) = endorse(&mut member, &genesis, 1, &kept.prove(0, 2).unwrap()).unwrap();

    let mut cx = Cx::new(Time::default(), &mut rng);
    let config = leader::Config::new(roster.clone(), roster.index(0).unwrap(), key);
    let (mut leader, _) = Leader::restore(config, [], &mut cx).unwrap();
    let statement = endorsed.statement().to_signed();
    let announce = leader::Command::Announce { statement, policy: Policy::Quorum };
    let step = leader.handle_command(&mut cx, announce).unwrap();
    let events = step.into_records().1.release().events;
    let [leader::Event::Signed { signature, .. }] = &events[..] else { panic!("{events:?}") };
    let certificate = Certificate::Collective(signature.clone());
    kept.add_link(0, 1, certificate, &roster).unwrap();
    assert_eq!(kept.prove(0, 2).unwrap().hops(), 1);
    // With everybody present, the client needs no key but ΣA.
    let mut client = LightClient::new(genesis, roster.open(&Mask::of(1, []))).unwrap();
    assert_eq!(client.verify(&kept.prove(0, 2).unwrap()).unwrap().header(), kept.tip());
}
