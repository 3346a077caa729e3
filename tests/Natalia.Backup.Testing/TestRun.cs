using System.Diagnostics;
using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Natalia.Backup.Testing;

/// <summary>
/// Runs tests in this process, where no runner of others can: under another runtime or on another system. Tells what
/// failed, what was skipped, and what was left out.
/// </summary>
/// <param name="write">Takes a line at a time, from one thread at a time.</param>
/// <param name="leaveOut">Says why a test is not run; null for one that is.</param>
public sealed class TestRun(Action<string> write, Func<ITestMethod, string?> leaveOut)
{
    private const int SlowSeconds = 5;

    /// <summary>How many test collections run at once; 1 lets one test follow another.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>True tells of every test that it begins, so that it is seen which one never ends.</summary>
    public bool IsVerbose { get; init; }

    /// <summary>Runs the tests of an assembly that this process finds by its name.</summary>
    /// <param name="assembly">The assembly.</param>
    /// <param name="classes">Only tests of classes whose full name contains one of these; all when there is
    /// none.</param>
    /// <returns>True when some have passed and none has failed.</returns>
    public bool Execute(Assembly assembly, IReadOnlyCollection<string> classes)
    {
        var options = new Options();
        options.SetValue("xunit.execution.DisableParallelization", (bool?)(Threads == 1));
        options.SetValue("xunit.execution.MaxParallelThreads", (int?)Threads);
        using var framework = new XunitTestFramework(new Sink(_ => { }));
        using var found = new Sink(write);
        using ITestFrameworkDiscoverer discoverer = framework.GetDiscoverer(new ReflectionAssemblyInfo(assembly));
        discoverer.Find(includeSourceInformation: false, found, options);
        found.Wait();
        var wanted = new List<ITestCase>();
        var leftOut = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (ITestCase test in found.Tests)
        {
            string @class = test.TestMethod.TestClass.Class.Name;
            if (classes.Count > 0 && !classes.Any(@class.Contains)) continue;
            if (leaveOut(test.TestMethod) is string reason)
                leftOut[$"{@class}.{test.TestMethod.Method.Name}"] = reason;
            else wanted.Add(test);
        }
        using var results = new Sink(write, IsVerbose);
        var clock = Stopwatch.StartNew();
        using ITestFrameworkExecutor executor = framework.GetExecutor(assembly.GetName());
        executor.RunTests(wanted, results, options);
        results.Wait();
        foreach (KeyValuePair<string, string> test in leftOut) write($"left out {test.Key}: {test.Value}");
        write($"# {clock.Elapsed.TotalSeconds:0} s");
        write($"{results.Passed} passed, {results.Failed} failed, {results.Skipped} skipped");
        return results.Failed == 0 && results.Passed > 0;
    }

    /// <summary>Takes what discovery and execution tell, each from one thread at a time.</summary>
    private sealed class Sink(Action<string> write, bool isVerbose = false) : LongLivedMarshalByRefObject,
        IMessageSink, IDisposable
    {
        private readonly ManualResetEventSlim _done = new();

        internal List<ITestCase> Tests { get; } = [];
        internal int Passed { get; private set; }
        internal int Failed { get; private set; }
        internal int Skipped { get; private set; }

        internal void Wait() => _done.Wait();

        public bool OnMessage(IMessageSinkMessage message)
        {
            lock (_done)
            {
                switch (message)
                {
                    case ITestCaseDiscoveryMessage test: Tests.Add(test.TestCase); break;
                    case ITestStarting starting when isVerbose: write($"# begins {starting.Test.DisplayName}"); break;
                    case ITestPassed passed:
                        Passed++;
                        if (passed.ExecutionTime > SlowSeconds)
                            write($"# {passed.ExecutionTime:0} s: {passed.Test.DisplayName}");
                        break;
                    case ITestSkipped skipped:
                        Skipped++;
                        write($"skipped {skipped.Test.DisplayName}: {skipped.Reason}");
                        break;
                    case ITestFailed failed: Fail(failed.Test.DisplayName, failed); break;
                    // Such as a class whose constructor or fixture threw when it was disposed.
                    case IFailureInformation failure: Fail(message.GetType().Name, failure); break;
                    case IDiscoveryCompleteMessage or ITestAssemblyFinished: _done.Set(); break;
                }
            }
            return true;
        }

        private void Fail(string name, IFailureInformation failure)
        {
            Failed++;
            write($"FAILED {name}\n"
                + $"{string.Join("\n", failure.ExceptionTypes.Zip(failure.Messages, (t, m) => $"{t}: {m}"))}\n"
                + $"{string.Join("\n", failure.StackTraces)}");
        }

        public void Dispose() => _done.Dispose();
    }

    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> _values = [];

        public TValue GetValue<TValue>(string name) =>
            _values.TryGetValue(name, out object? value) ? (TValue)value! : default!;
        public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
    }
}
