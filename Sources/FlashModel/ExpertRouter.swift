import FlashIO
import FlashKernels
import FlashWeights

/// Chooses each token's experts (`ExpertRouting`) and sorts tokens by expert.
struct ExpertRouter {
  let core: DecoderCore

  /// Writes each token's experts and scores, the experts that some token uses, and the pairs, to
  /// `scratch.experts`. Returns how many experts are used.
  ///
  /// - Parameter input: `[tokenCount, width]`.
  func route(
    _ matrix: LayerMatrix, _ routing: ExpertRouting, layer: Int,
    input: UnsafePointer<Float>, position: Int, tokenCount: Int
  ) throws(ReadFailure) -> Int {
    let router = matrix.tensor
    unsafe core.prepareActivations(
      input, width: router.width, tokenCount: tokenCount, format: router.format)
    let scratch = core.scratch.experts
    try unsafe core.project(
      matrix, tokenCount: tokenCount, output: scratch.logits, outputStride: router.rows)
    for token in 0..<tokenCount {
      let logits = unsafe scratch.logits + token * router.rows
      if unsafe core.kernels.nonFiniteCount(logits, count: router.rows) > 0 {
        core.fault = core.fault ?? .noRouting(layer: layer, position: position + token)
        unsafe logits.update(repeating: 0, count: router.rows)
      }
    }
    let count = routing.activeCount
    core.split(tokenCount) { tokens in
      for token in tokens {
        let logits = unsafe scratch.logits + token * router.rows
        let chosen = unsafe scratch.chosen + token * count
        unsafe Self.choose(count, of: router.rows, logits, into: chosen)
        unsafe score(
          routing, logits, expertCount: router.rows, chosen, into: scratch.scores + token * count)
      }
    }
    return sortPairs(expertCount: router.rows, pairCount: tokenCount * count, perToken: count)
  }

  /// The largest logits of experts, of equals the first, in `ranked`, the likeliest first.
  static func rank(
    _ count: Int, of expertCount: Int, _ logits: UnsafePointer<Float>,
    into ranked: UnsafeMutablePointer<Int32>
  ) {
    var found = 0
    for expert in 0..<expertCount {
      let logit = unsafe logits[expert]
      if found == count, unsafe logit <= logits[Int(ranked[count - 1])] { continue }
      var place = found == count ? count - 1 : found
      while place > 0, unsafe logits[Int(ranked[place - 1])] < logit {
        unsafe ranked[place] = ranked[place - 1]
        place -= 1
      }
      unsafe ranked[place] = Int32(expert)
      found = min(found + 1, count)
    }
  }

  /// The same, ascending.
  private static func choose(
    _ count: Int, of expertCount: Int, _ logits: UnsafePointer<Float>,
    into chosen: UnsafeMutablePointer<Int32>
  ) {
    unsafe rank(count, of: expertCount, logits, into: chosen)
    for index in 1..<max(1, count) {
      let expert = unsafe chosen[index]
      var place = index
      while place > 0, unsafe chosen[place - 1] > expert {
        unsafe chosen[place] = chosen[place - 1]
        place -= 1
      }
      unsafe chosen[place] = expert
    }
  }

  /// Writes the scores of a token's experts; uses up the logits.
  private func score(
    _ routing: ExpertRouting, _ logits: UnsafeMutablePointer<Float>, expertCount: Int,
    _ chosen: UnsafePointer<Int32>, into scores: UnsafeMutablePointer<Float>
  ) {
    let count = routing.activeCount
    switch routing.scoring {
    case .softmax:
      let sum = unsafe core.kernels.softmaxPart(logits, count: expertCount).sum
      for index in 0..<count { unsafe scores[index] = logits[Int(chosen[index])] / sum }
    case .sigmoid:
      for index in 0..<count {
        unsafe scores[index] = 1 / (1 + core.kernels.exponential(-logits[Int(chosen[index])]))
      }
    }
    guard routing.isNormalized else { return }
    var sum: Float = 0
    for index in 0..<count { unsafe sum += scores[index] }
    for index in 0..<count { unsafe scores[index] /= sum }
  }

  /// Sorts pairs by expert, then by token. Returns how many experts have any.
  private func sortPairs(expertCount: Int, pairCount: Int, perToken: Int) -> Int {
    let scratch = core.scratch.experts
    let first = unsafe scratch.firstPair
    unsafe first.update(repeating: 0, count: expertCount + 1)
    for choice in 0..<pairCount { unsafe first[Int(scratch.chosen[choice]) + 1] += 1 }
    var active = 0
    for expert in 0..<expertCount {
      if unsafe first[expert + 1] > 0 {
        unsafe scratch.active[active] = Int32(expert)
        active += 1
      }
      unsafe first[expert + 1] += first[expert]
    }
    // Each expert's first pair runs on to the next one's first and is set back afterwards.
    for choice in 0..<pairCount {
      let expert = unsafe Int(scratch.chosen[choice])
      let pair = unsafe Int(first[expert])
      unsafe first[expert] += 1
      unsafe scratch.tokenOfPair[pair] = Int32(choice / perToken)
      unsafe scratch.pairOfChoice[choice] = Int32(pair)
    }
    for expert in stride(from: expertCount, to: 0, by: -1) {
      unsafe first[expert] = first[expert - 1]
    }
    unsafe first[0] = 0
    return active
  }
}
