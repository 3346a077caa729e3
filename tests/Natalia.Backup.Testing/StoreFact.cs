using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Natalia.Backup.Testing;

/// <summary>
/// A test of a suite for every store, or every hypervisor. A class whose store needs a server has a public static
/// string property <c>Obstacle</c>: when it is not null, the inherited tests are skipped with it as the reason.
/// </summary>
[XunitTestCaseDiscoverer("Natalia.Backup.Testing.StoreFactDiscoverer", Obstacles.Assembly)]
public sealed class StoreFactAttribute : FactAttribute;

/// <summary>As <see cref="StoreFactAttribute"/>, with data.</summary>
[XunitTestCaseDiscoverer("Natalia.Backup.Testing.StoreTheoryDiscoverer", Obstacles.Assembly)]
public sealed class StoreTheoryAttribute : TheoryAttribute;

public sealed class StoreFactDiscoverer(IMessageSink messages) : FactDiscoverer(messages)
{
    public override IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions options, ITestMethod method,
        IAttributeInfo fact) =>
        Obstacles.Of(method) is string reason
        ? [new SkippedTestCase(DiagnosticMessageSink, options.MethodDisplayOrDefault(),
            options.MethodDisplayOptionsOrDefault(), method, reason)]
        : base.Discover(options, method, fact);
}

public sealed class StoreTheoryDiscoverer(IMessageSink messages) : TheoryDiscoverer(messages)
{
    public override IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions options, ITestMethod method,
        IAttributeInfo theory) =>
        Obstacles.Of(method) is string reason
        ? [new SkippedTestCase(DiagnosticMessageSink, options.MethodDisplayOrDefault(),
            options.MethodDisplayOptionsOrDefault(), method, reason)]
        : base.Discover(options, method, theory);
}

/// <summary>A test that is not run, whose name says why.</summary>
public sealed class SkippedTestCase : XunitSkippedDataRowTestCase
{
    [Obsolete("For the deserializer, which fills in the rest.")]
    public SkippedTestCase()
    {
    }

    public SkippedTestCase(
        IMessageSink messages, TestMethodDisplay display, TestMethodDisplayOptions options, ITestMethod method,
        string reason)
        : base(messages, display, options, method, reason)
    {
    }

    protected override string GetDisplayName(IAttributeInfo fact, string displayName) =>
        SkippedTest.With(base.GetDisplayName(fact, displayName), GetSkipReason(fact)).Name!;
}

public static class Obstacles
{
    /// <summary>Where the discoverers are compiled into.</summary>
#if NETSTANDARD_BUILD
    internal const string Assembly = "Natalia.Backup.Hypervisors.NetStandard.Tests";
#else
    internal const string Assembly = "Natalia.Backup.Testing";
#endif

    public static string? Of(ITestMethod method) =>
        method.TestClass.Class.ToRuntimeType()
            .GetProperty("Obstacle",
                BindingFlags.Public | BindingFlags.Static | BindingFlags.FlattenHierarchy)?.GetValue(null) as string;
}
