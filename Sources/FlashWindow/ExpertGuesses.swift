import FlashIO
import FlashWeights

/// Experts that the next layer may want: those that were read or are being read, each in a place
/// of its own, and those whose turn has not come. Nothing allocates after `init`.
struct ExpertGuesses {
  struct Guess {
    /// Nil for one that was wrong or failed.
    var layer: Int?
    var expert: Int32 = 0
    /// `none` where there is no guess.
    var place = ExpertLoader.none
    /// Nil when its read was booked.
    var batch: ReadBatch?
    var readCount = 0
  }

  /// Guesses in flight at a time: each is a batch, of which an engine takes 64.
  static let flyingLimit = 24

  /// Of one token's experts as many are guessed as there are places for no more than that.
  let tokenLimit: Int
  /// The layer that is guessed for; a guess for another one was wrong.
  private(set) var target: Int?
  var guesses = [Guess](repeating: Guess(), count: WeightResidency.chunkGuessLimit)
  /// Experts of the target that are to be read, and which of them is next.
  private var wanted: [Int32] = []
  private var next = 0
  /// Guesses for the target, and those still in flight, that there may be.
  private(set) var limit = 0

  init(tokenLimit: Int) {
    self.tokenLimit = min(tokenLimit, guesses.count)
    wanted.reserveCapacity(guesses.count)
  }

  /// Forgets what is to be read, for a new target.
  mutating func begin(layer: Int, limit: Int) {
    end()
    target = layer
    self.limit = limit
  }

  /// Forgets what is to be read; what was read and not wanted was wrong.
  mutating func end() {
    target = nil
    for index in guesses.indices { guesses[index].layer = nil }
    next = 0
    wanted.removeAll(keepingCapacity: true)
  }

  mutating func want(_ expert: Int32) {
    if wanted.count < guesses.count { wanted.append(expert) }
  }

  /// What is to be read next for the target.
  var nextWanted: Int32? { next < wanted.count ? wanted[next] : nil }

  /// Notes that what was next is being read.
  mutating func begin(
    _ expert: Int32, of layer: Int, at place: Int32, _ batch: ReadBatch, readCount: Int
  ) {
    next += 1
    guard let index = guesses.firstIndex(where: { $0.place == ExpertLoader.none }) else {
      preconditionFailure("there are as many guesses as may be")
    }
    guesses[index] = Guess(
      layer: layer, expert: expert, place: place, batch: batch, readCount: readCount)
  }

  func index(of expert: Int32, of layer: Int) -> Int? {
    guesses.firstIndex {
      $0.place != ExpertLoader.none && $0.layer == layer && $0.expert == expert
    }
  }

  /// Hands out the guess of an expert.
  mutating func remove(_ expert: Int32, of layer: Int) -> Guess? {
    guard let index = index(of: expert, of: layer) else { return nil }
    defer { guesses[index] = Guess() }
    return guesses[index]
  }

  /// Whether another guess must go before one is noted.
  var isFull: Bool { guesses.allSatisfy { $0.place != ExpertLoader.none } }

  /// Guesses whose places are not to be had: those of the target, and those in flight.
  var heldCount: Int {
    guesses.count {
      $0.place != ExpertLoader.none && ($0.layer == target || $0.batch != nil)
    }
  }

  /// Whether so many reads may go in beside those in flight.
  func hasRoom(for readCount: Int, queueDepth: Int) -> Bool {
    var (batches, reads) = (0, 0)
    for guess in guesses where guess.batch != nil {
      batches += 1
      reads += guess.readCount
    }
    return batches == 0 || batches < Self.flyingLimit && reads + readCount <= queueDepth
  }
}

/// Reading on a guess while the device has nothing else to do.
extension ExpertLoader {
  /// Notes experts that a later layer may want, the likeliest first, and reads as many of them as
  /// there are places for, from here on whenever `readGuesses` is called: no more at a time than
  /// the device takes at once, so that a demand waits behind no more than that.
  ///
  /// - Parameter isChunk: whether a chunk of tokens may want them, and as many may be guessed as
  ///   there are places that hold nothing.
  /// - Precondition: `isComplete`, so that no demand waits behind a guess.
  func look(atLayer layer: Int, experts: UnsafeBufferPointer<Int32>, isChunk: Bool) {
    precondition(isComplete, "no guess goes before a demand")
    guesses.begin(layer: layer, limit: isChunk ? guesses.guesses.count : guesses.tokenLimit)
    for index in experts.indices {
      let expert = unsafe experts[index]
      if cache.holds(StrideIndex(Int(expert)), in: LayerIndex(layer)) { continue }
      if guesses.index(of: expert, of: layer) == nil { guesses.want(expert) }
    }
    readGuesses()
  }

  /// Puts further guesses in flight where those before came back; a look where there are none.
  func readGuesses() {
    guard let layer = guesses.target, guesses.nextWanted != nil, isComplete else { return }
    bookGuesses()
    while let expert = guesses.nextWanted, guesses.heldCount < guesses.limit {
      let extent = bundles[layer].extent(ofExpert: Int(expert))
      let reads = readCount(extent)
      guard guesses.hasRoom(for: reads, queueDepth: queueDepth) else { return }
      // One is left for demands.
      let hasRoom = free.count > 1 && !guesses.isFull
      guard let place = hasRoom ? free.popLast() : placeOfWrongGuess() else { return }
      let label = ReadLabel(layer: layer, purpose: .guess)
      // A ring that takes no reads fails the next demand, which says so.
      guard let batch = try? submit(extent, into: place, for: label) else {
        free.append(place)
        return
      }
      guesses.begin(expert, of: layer, at: place, batch, readCount: reads)
      lookAhead.issued += 1
      lookAhead.readByteCount += extent.widened(toUnit: unit).byteCount
    }
  }

  /// A place that may be read into; nil where all are in use.
  func freePlace() -> Int32? { free.popLast() ?? placeOfWrongGuess() }

  /// Waits for a wrong guess that is in flight, so that its place is free; false where there is
  /// none.
  func awaitGuess() -> Bool {
    guard let index = guesses.guesses.firstIndex(where: { $0.batch != nil }) else { return false }
    close(index)
    return true
  }

  /// Forgets all guesses; the engine is drained already.
  func dropGuesses() {
    guesses.end()
    for index in guesses.guesses.indices where guesses.guesses[index].place != Self.none {
      free.append(guesses.guesses[index].place)
      guesses.guesses[index] = ExpertGuesses.Guess()
    }
  }

  private func bookGuesses() {
    for index in guesses.guesses.indices {
      guard let batch = guesses.guesses[index].batch, engine.isComplete(batch) else { continue }
      close(index)
    }
  }

  /// Waits for a guess. What failed is worth nothing; it is read again if it is demanded.
  private func close(_ index: Int) {
    guard let batch = guesses.guesses[index].batch else { return }
    guesses.guesses[index].batch = nil
    do throws(ReadFailure) { try engine.wait(for: batch) } catch {
      guesses.guesses[index].layer = nil
    }
  }

  /// The place of a guess that was wrong, or that failed, and is not in flight.
  private func placeOfWrongGuess() -> Int32? {
    bookGuesses()
    guard
      let index = guesses.guesses.firstIndex(where: {
        $0.place != Self.none && ($0.layer == nil || $0.layer != guesses.target) && $0.batch == nil
      })
    else { return nil }
    defer { guesses.guesses[index] = ExpertGuesses.Guess() }
    return guesses.guesses[index].place
  }
}
