using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Natalia.Backup.Engine.Mono;

/// <summary>Runs the tests in this program, one after another, and prints what failed and what was skipped.</summary>
internal static class TestRun
{
    /// <summary>Tests of what Mono does in a way of its own.</summary>
    private static readonly Dictionary<string, string> s_notHere = new(StringComparer.Ordinal)
    {
        ["A_changed_image_is_found"] =
            "Mono does not let one process open a file for writing that it has open for reading",
        ["An_image_that_shrinks_under_the_reader_is_not_read_as_zeros"] = "as above",
        ["A_disk_holds_secrets_so_only_its_owner_may_read_the_image"] = "this build knows Windows' rights, not Unix's",
    };

    /// <param name="classes">Only tests of classes whose full name contains one of these; all when there is
    /// none.</param>
    internal static int Execute(IReadOnlyCollection<string> classes)
    {
        AssemblyName assembly = typeof(TestRun).Assembly.GetName();
        var options = new Options();
        options.SetValue("xunit.execution.DisableParallelization", (bool?)true);
        using var framework = new XunitTestFramework(new Sink());
        using var found = new Sink();
        using ITestFrameworkDiscoverer discoverer =
            framework.GetDiscoverer(new ReflectionAssemblyInfo(typeof(TestRun).Assembly));
        discoverer.Find(includeSourceInformation: false, found, options);
        found.Wait();
        using var results = new Sink();
        using ITestFrameworkExecutor executor = framework.GetExecutor(assembly);
        executor.RunTests(found.Tests
            .Where(t => classes.Count == 0 || classes.Any(t.TestMethod.TestClass.Class.Name.Contains))
            .Where(t => !s_notHere.ContainsKey(t.TestMethod.Method.Name)),
            results, options);
        results.Wait();
        foreach (KeyValuePair<string, string> test in s_notHere)
            Console.WriteLine($"left out {test.Key}: {test.Value}");
        Console.WriteLine($"{results.Passed} passed, {results.Failed} failed, {results.Skipped} skipped");
        return results.Failed == 0 && results.Passed > 0 ? 0 : 1;
    }

    /// <summary>Takes what discovery and execution tell, each from one thread at a time.</summary>
    private sealed class Sink : LongLivedMarshalByRefObject, IMessageSink, IDisposable
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
                    case ITestPassed passed:
                        Passed++;
                        if (passed.ExecutionTime > 5)
                            Console.WriteLine($"# {passed.ExecutionTime:0} s: {passed.Test.DisplayName}");
                        break;
                    case ITestSkipped skipped:
                        Skipped++;
                        Console.WriteLine($"skipped {skipped.Test.DisplayName}: {skipped.Reason}");
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
            Console.WriteLine($"FAILED {name}\n"
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
