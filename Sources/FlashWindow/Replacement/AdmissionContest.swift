/// Decides for one layer whether a newcomer takes the slot of a stride with a higher score.
///
/// Where uses are independent of one another, the higher score is right: on a trained model of 13M
/// parameters refusing such newcomers raised the hit rate from 20.8 to 26.0 % with slots for a
/// tenth of the strides. Where they come in bursts a newcomer is likely to be used again at once,
/// and refusing it lowered 83 to 45 %. So each layer finds out: now and then a newcomer and the
/// stride it would replace are noted, and whichever a later token uses first scores a point,
/// whatever was decided.
struct AdmissionContest {
  private struct Duel {
    var newcomer: Int32
    var holder: Int32
    var token: Int32
  }

  /// Duels that may be open at a time.
  static let mostDuels = 8
  /// Tokens after which a duel that nobody won is dropped.
  static let patience: Int32 = 64
  /// Points beyond which a lead does not grow, so that a change of habit is soon seen.
  static let largestLead = 64

  /// Points by which holders lead; newcomers where it is negative.
  private(set) var lead = 0
  private var duels: [Duel]
  private var duelCount = 0
  private var lastBegin: Int32 = 0

  init() {
    duels = Array(
      repeating: Duel(newcomer: 0, holder: 0, token: 0), count: Self.mostDuels)
  }

  static var byteCount: Int { mostDuels * MemoryLayout<Duel>.stride }

  /// Notes a newcomer of a lower score than the holder, at most once a token.
  ///
  /// - Returns: whether the newcomer gets the slot.
  mutating func admits(newcomer: Int, holder: Int32, token: Int32) -> Bool {
    if lastBegin != token, duelCount < Self.mostDuels {
      duels[duelCount] = Duel(newcomer: Int32(newcomer), holder: holder, token: token)
      duelCount += 1
      lastBegin = token
    }
    return lead <= 0
  }

  /// Ends the duels that are decided, given each stride's last use; called between tokens.
  mutating func judge(lastUse: [Int32], token: Int32) {
    var open = 0
    for index in 0..<duelCount {
      let duel = duels[index]
      let newcomerWas = lastUse[Int(duel.newcomer)] > duel.token
      let holderWas = lastUse[Int(duel.holder)] > duel.token
      if newcomerWas != holderWas {
        lead = max(-Self.largestLead, min(Self.largestLead, lead + (holderWas ? 1 : -1)))
      } else if !newcomerWas, token - duel.token < Self.patience {
        duels[open] = duel
        open += 1
      }
    }
    duelCount = open
  }
}
