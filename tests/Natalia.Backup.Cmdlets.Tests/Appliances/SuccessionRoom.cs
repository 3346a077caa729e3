using System.Text.RegularExpressions;
using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>Folders of VMs, a repository, and one appliance that is lost and restored.</summary>
public abstract class SuccessionRoom : IDisposable
{
    private static readonly Regex s_command = new(
        @"(Set|Unregister)-NataliaAppliance [^.;:]*?-ApplianceId [0-9a-f]{32}( -Repository '[^']+')?( -Force)?");

    private readonly EngineSession _session = new();

    private protected TemporaryFolder Folder { get; } = new();

    /// <summary>The appliance's id.</summary>
    private protected string Lost { get; }

    private protected SuccessionRoom()
    {
        Directory.CreateDirectory(Folder["vms"]);
        Directory.CreateDirectory(Folder["out"]);
        Describe("vms", "natalia-nice", "4711");
        Ok("Connect-NataliaHypervisor -Folder $args[0] -Name vms; "
            + "Connect-NataliaHypervisor -Folder $args[1] -Name out; "
            + "New-NataliaRepository -Name local -Path $args[2] -Unencrypted",
            Folder["vms"], Folder["out"], Folder["repository"]);
        Ok("Set-NataliaAppliance natalia-nice -Repository local -IncludeSystemDisk -Strategy SixHourly; "
            + "Set-NataliaRetention natalia-nice -Daily 7 -Repository local -Confirm:$false; "
            + "Invoke-NataliaBackup natalia-nice");
        Lost = One("(Get-NataliaAppliance).ApplianceId");
    }

    public void Dispose()
    {
        _session.Dispose();
        Folder.Dispose();
    }

    /// <summary>The VM is lost, and its newest point becomes another one.</summary>
    /// <returns>The id that the new one has by itself.</returns>
    private protected string Lose()
    {
        Directory.Delete(Folder["vms/natalia-nice"], true);
        return Restore("natalia-nice");
    }

    private protected string Restore(string name)
    {
        string own = One("(Get-NataliaRestorePoint -Latest -Repository local | "
            + "Restore-NataliaAppliance -Hypervisor out -NewName "
            + $"{name} -Network @{{ voice = 'lab' }}).ApplianceId");
        Assert.NotEqual(Lost, own);
        return own;
    }

    /// <summary>A simulated Hyper-V host whose appliance is enrolled with both disks and has one point.</summary>
    /// <param name="id">The appliance's id.</param>
    private protected static HyperVRoom EnrollOnHyperV(out string id)
    {
        var room = new HyperVRoom(RepositoryFixture.Disk(300 * 512, 1), RepositoryFixture.Disk(500 * 512, 2));
        room.Run("Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1 -IncludeSystemDisk; "
            + "Invoke-NataliaBackup natalia-01");
        id = room.Run("(Get-NataliaAppliance).ApplianceId").Text.Single();
        return room;
    }

    /// <summary>The same, whose VM was lost and restored: the new one goes on with the history.</summary>
    /// <param name="id">The appliance's id.</param>
    private protected static HyperVRoom LoseOnHyperV(out string id)
    {
        HyperVRoom room = EnrollOnHyperV(out id);
        room.Host.Machines.Remove(room.Machine);
        room.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor hv");
        Assert.NotEqual(id, room.Run("(Get-NataliaAppliance -Name natalia-01).ApplianceId").Text.Single());
        room.Run($"Set-NataliaAppliance natalia-01 -ApplianceId {id}");
        return room;
    }

    private protected void Describe(string hypervisor, string name, string id)
    {
        string folder = Folder[$"{hypervisor}/{name}"];
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "system.raw"), RepositoryFixture.Disk(60_416, 1));
        File.WriteAllBytes(Path.Combine(folder, "data.raw"), RepositoryFixture.Disk(200_192, 2));
        File.WriteAllText(Path.Combine(folder, "vm.json"), $$"""
            { "id": "{{id}}", "name": "{{name}}", "networks": [ { "name": "voice" } ],
              "disks": [ { "id": "system", "path": "system.raw", "role": "System", "format": "raw" },
                         { "id": "data", "path": "data.raw", "role": "Data", "format": "raw" } ] }
            """);
    }

    private protected string One(string script, params object?[] arguments) =>
        Assert.Single(Ok(script, arguments).Text);

    private protected EngineSession.Result Run(string script, params object?[] arguments) =>
        _session.Run(script, arguments);

    private protected EngineSession.Result Ok(string script, params object?[] arguments)
    {
        EngineSession.Result result = Run(script, arguments);
        Assert.Empty(result.Errors.Select(e => $"{e.FullyQualifiedErrorId}: {e}"));
        return result;
    }

    /// <summary>The commands that an error or a warning tells the user to say.</summary>
    private protected static IReadOnlyList<string> Cures(EngineSession.Result result) =>
        [.. result.Errors.Select(e => e.ErrorDetails?.RecommendedAction ?? "").Concat(result.Warnings)
            .SelectMany(t => s_command.Matches(t)).Select(m => m.Value)];

    /// <summary>A copy of the repository.</summary>
    private protected TemporaryFolder Copy()
    {
        var copy = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(Folder["repository"], "*", SearchOption.AllDirectories))
        {
            string to = copy[Path.GetRelativePath(Folder["repository"], file)];
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        return copy;
    }

    /// <summary>Connects the hypervisors in another session.</summary>
    private protected void Connect(EngineSession session) => session.Run(
        "Connect-NataliaHypervisor -Folder $args[0] -Name vms; Connect-NataliaHypervisor -Folder $args[1] -Name out",
        Folder["vms"], Folder["out"]);
}
