using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// Examples of help and documents for VMware, each typed as it stands into a session of its own.
/// </summary>
public sealed class VMwareExampleTests
{
    public static IEnumerable<object[]> Examples =>
        ExampleCorpus.Of(ExampleRunner.VMware).Select(e => new object[] { e.Id });

    [VSphereTheory]
    [MemberData(nameof(Examples))]
    public void An_example_does_what_it_describes(string id)
    {
        using var room = new VMwareExampleRoom();
        room.Run(id);
    }
}
