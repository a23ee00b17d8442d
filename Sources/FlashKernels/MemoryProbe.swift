internal import CFlashKernels

/// How fast memory is read by doing nothing else: the bound of all arithmetic over weights.
package enum MemoryProbe {
  /// Streams a thread, and bytes that lines are asked for in advance. Which is fastest differs from
  /// CPU to CPU and from run to run, by 10 to 20 %.
  private static let variants: [(streams: Int, ahead: Int)] = [(1, 2048), (2, 512), (1, 1024)]

  /// Less than this says more of the caches than of DRAM: four times the largest one, or four times
  /// 32 MiB where the kernel does not tell.
  package static var leastByteCount: Int {
    4 * (WorkerPool.lastLevelCacheByteCount ?? 32 << 20)
  }

  /// Bytes a second in which the pool's threads read `bytes` in order, each a part of its own; the
  /// best of some passes.
  ///
  /// - Parameters:
  ///   - bytes: in memory and on a boundary of 64; far more than caches hold, in huge pages if the
  ///     result is to be the DRAM's.
  ///   - duration: it goes on until so much time has passed, but reads at least once each way.
  package static func bandwidth(
    of bytes: UnsafeRawBufferPointer, pool: WorkerPool, duration: Duration = .milliseconds(500)
  ) -> Double {
    let partByteCount = bytes.count / pool.threadCount / 4096 * 4096
    precondition(partByteCount > 0, "every thread reads a page")
    let base = bytes.baseAddress!
    let end = ContinuousClock.now + duration
    var best = 0.0
    var sum: UInt64 = 0
    repeat {
      for variant in variants {
        let start = ContinuousClock.now
        pool.run(pool.threadCount) { part in
          let read = unsafe CFlashKernels_read(
            base + part * partByteCount, partByteCount, variant.streams, variant.ahead)
          // Threads would share the sum; one is enough to keep it.
          if part == 0 { sum &+= read }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        best = max(best, Double(partByteCount * pool.threadCount) / seconds)
      }
    } while ContinuousClock.now < end
    withExtendedLifetime(sum) {}
    return best
  }
}
