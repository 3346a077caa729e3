using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// Examples of help and documents for Hyper-V, and for schedules of Windows, each typed as it stands into a session of
/// its own.
/// </summary>
public sealed class HyperVExampleTests
{
    private const string AsksForHostKey = "-SshHost ", WritesToBucket = "-Bucket ";

    public static IEnumerable<object[]> Examples => ExampleCorpus.Of(ExampleRunner.HyperV)
        .Where(e => !Has(e, AsksForHostKey) && !Has(e, WritesToBucket)).Select(e => new object[] { e.Id });

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_does_what_it_describes(string id) => Run(ExampleCorpus.Get(id));

    [SshFact]
    public void Examples_that_ask_the_appliance_for_its_host_key_take_it() => RunAll(AsksForHostKey);

    [BucketFact]
    public void Examples_that_copy_to_a_bucket_lock_what_they_write_there() => RunAll(WritesToBucket);

    private static void RunAll(string words) =>
        Assert.All(ExampleCorpus.Of(ExampleRunner.HyperV).Where(e => Has(e, words)), Run);

    private static void Run(Example example)
    {
        using var room = new HyperVExampleRoom(Has(example, "natalia-paris") ? "natalia-paris" : "natalia-01");
        room.Run(example.Id);
    }

    private static bool Has(Example example, string words) =>
        example.Code.Contains(words, StringComparison.Ordinal);
}
