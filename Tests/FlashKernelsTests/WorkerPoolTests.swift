import FlashKernels
import Glibc
import Synchronization
import Testing

struct WorkerPoolTests {
  @Test(arguments: 1...5)
  func everyPartRunsExactlyOnce(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    #expect(pool.threadCount == threadCount)
    for partCount in 0...40 {
      let counts = Mutex([Int](repeating: 0, count: partCount))
      pool.run(partCount) { part in counts.withLock { $0[part] += 1 } }
      #expect(counts.withLock { $0 } == [Int](repeating: 1, count: partCount))
    }
  }

  @Test(arguments: 1...3)
  func whatTheCallerDoesBesideRunsOnceOnItsThread(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    for partCount in 0...8 {
      let caller = pthread_self()
      var calls = 0
      let counts = Mutex([Int](repeating: 0, count: partCount))
      let aside = {
        calls += 1
        #expect(pthread_equal(caller, pthread_self()) != 0)
      }
      pool.run(partCount, beside: aside) { part in counts.withLock { $0[part] += 1 } }
      #expect(calls == 1)
      #expect(counts.withLock { $0 } == [Int](repeating: 1, count: partCount))
    }
  }

  @Test func resultsOfManyShortRunsAreSeenByTheCaller() {
    let pool = WorkerPool(threadCount: 3)
    let sum = Atomic(0)
    for run in 1...2000 {
      pool.run(3) { sum.add($0 + run, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 3 * 2000 + 3 * (2000 * 2001 / 2))
  }

  @Test func parkedThreadsWakeForTheNextRun() {
    let pool = WorkerPool(threadCount: 2)
    for _ in 0..<5 {
      // Both parts must be under way at once for either to end, so both threads are needed.
      let arrived = Atomic(0)
      pool.run(2) { _ in
        arrived.add(1, ordering: .sequentiallyConsistent)
        while arrived.load(ordering: .sequentiallyConsistent) < 2 { sched_yield() }
      }
      usleep(3000)
    }
  }

  @Test func splitsCoverTheWholeInOrderAtTheGranularity() {
    for count in [0, 1, 7, 64, 65, 4096] {
      for parts in 1...5 {
        for granularity in [1, 16, 512] {
          var end = 0
          for index in 0..<parts {
            let range = WorkerPool.split(
              count: count, parts: parts, granularity: granularity, index: index)
            #expect(range.lowerBound == end)
            #expect(range.upperBound % granularity == 0 || range.upperBound == count)
            end = range.upperBound
          }
          #expect(end == count)
        }
      }
    }
  }

  @Test func aRunInsideARunTraps() async {
    await #expect(processExitsWith: .failure) {
      let pool = WorkerPool(threadCount: 2)
      pool.run(2) { _ in pool.run(1) { _ in } }
    }
  }

  @Test func thereIsAtLeastOneCore() {
    #expect(WorkerPool.physicalCoreCount >= 1)
    #expect(WorkerPool.physicalCoreCount <= sysconf(Int32(_SC_NPROCESSORS_CONF)))
  }
}
