//! Blocks made up.

use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version},
    consensus::serialize,
    hashes::Hash,
};

/// A block of these transactions, as if mined, and its encoding.
pub(crate) fn mined(txdata: Vec<bitcoin::Transaction>) -> Vec<u8> {
    let header = Header {
        version: Version::ONE,
        prev_blockhash: bitcoin::BlockHash::all_zeros(),
        merkle_root: bitcoin::TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    serialize(&block)
}

/// A transaction that spends these and creates outputs worth this.
pub(crate) fn spending(inputs: &[OutPoint], values: &[u64]) -> bitcoin::Transaction {
    let input = inputs.iter().map(|previous_output| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    });
    let output = values.iter().map(|value| TxOut {
        value: Amount::from_sat(*value),
        script_pubkey: ScriptBuf::from_bytes(vec![7]),
    });
    let (input, output) = (input.collect(), output.collect());
    let version = bitcoin::transaction::Version::TWO;
    bitcoin::Transaction { version, lock_time: LockTime::ZERO, input, output }
}

/// An output of another block.
pub(crate) fn outside(number: u8, vout: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout }
}

/// A coinbase worth 50.
pub(crate) fn coinbase() -> bitcoin::Transaction {
    spending(&[OutPoint::null()], &[50])
}
