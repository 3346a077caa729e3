using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// Examples of help and documents that connect a Proxmox VE cluster, its storages and its backup server, each typed as
/// it stands into a session of its own.
/// </summary>
public sealed class ProxmoxExampleTests
{
    public static IEnumerable<object[]> Examples =>
        ExampleCorpus.Of(ExampleRunner.Proxmox).Select(e => new object[] { e.Id });

    [Fact]
    public void First_lines_up_to_a_backup_stand_in_README_document_topic_and_help() =>
        Assert.Equal(["Connect-NataliaHypervisor", "README.md", "about_NataliaProxmox.help.txt", "proxmox.md"],
            ExampleCorpus.Of(ExampleRunner.Proxmox)
                .Where(e => e.Code.Contains("Invoke-NataliaBackup", StringComparison.Ordinal))
                .Select(e => e.Id.Split(' ')[0]).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_does_what_it_describes(string id)
    {
        using var room = new ProxmoxExampleRoom();
        room.Run(id);
    }
}
