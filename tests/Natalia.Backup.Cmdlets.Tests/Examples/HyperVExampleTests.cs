using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// Examples of help and documents for Hyper-V, and for schedules of Windows, each typed as it stands into a session of
/// its own.
/// </summary>
public sealed class HyperVExampleTests
{
    public static IEnumerable<object[]> Examples => Find(needsSsh: false);

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_does_what_it_describes(string id)
    {
        using var room = new HyperVExampleRoom(
            ExampleCorpus.Get(id).Code.Contains("natalia-paris", StringComparison.Ordinal)
                ? "natalia-paris" : "natalia-01");
        room.Run(id);
    }

    [SshFact]
    public void Examples_that_ask_the_appliance_for_its_host_key_take_it()
    {
        foreach (object[] id in Find(needsSsh: true)) An_example_does_what_it_describes((string)id[0]);
    }

    private static IEnumerable<object[]> Find(bool needsSsh) => ExampleCorpus.Of(ExampleRunner.HyperV)
        .Where(e => e.Code.Contains("-SshHost ", StringComparison.Ordinal) == needsSsh)
        .Select(e => new object[] { e.Id });
}
