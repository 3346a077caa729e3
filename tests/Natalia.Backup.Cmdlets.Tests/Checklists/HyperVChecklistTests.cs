using System.Text.Json;
using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Checklists;

/// <summary>
/// The script that an administrator runs on a real host, against the simulated one: whether it parses, which calls it
/// makes, and that nothing of it stays. What only Windows has (event logs, WinRM, its CIM serializer) fails here, and
/// is written into the result as what it is.
/// </summary>
public sealed class HyperVChecklistTests : IDisposable
{
    private readonly HyperVRoom _room = new(RepositoryFixture.Disk(300 * 512, 1));
    private readonly TemporaryFolder _folder = new();
    private readonly CimBridge _cim;

    public HyperVChecklistTests()
    {
        _cim = new CimBridge(_room.Host);
        _room.Run("""
            $cim = $args[0]
            function Get-CimInstance {
                param([Parameter(Position = 0)] $ClassName, $Namespace = 'root\cimv2', $Filter, $CimInstance)
                if ($CimInstance) { $cim.Get($CimInstance) } else { $cim.Query($Namespace, $ClassName, $Filter) }
            }
            function Get-CimAssociatedInstance {
                param($InputObject, $Association, $ResultClassName)
                $cim.Associators($InputObject, $Association, $ResultClassName)
            }
            function Invoke-CimMethod {
                param($InputObject, $MethodName, $Arguments)
                $cim.Invoke($InputObject, $MethodName, $Arguments)
            }
            function Get-VHD { [pscustomobject]@{ Size = 153600 } }
            function Get-VMSwitch { [pscustomobject]@{ Name = 'LAN'; SwitchType = 'External' } }
            function Get-Service { [pscustomobject]@{ Status = 'Stopped' } }
            function Start-Sleep { }
            """, _cim);
    }

    public void Dispose()
    {
        _room.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Without_change_it_only_reads_and_asks_every_open_point()
    {
        _room.Run("Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:0; Invoke-NataliaBackup natalia-01");
        IReadOnlyDictionary<string, JsonElement> steps = Run("first.json", "");
        Assert.Equal(["GetVirtualDiskChanges", "GetVirtualHardDiskSettingData"], _cim.Methods.Distinct().Order());
        foreach (string point in new[] { "1 ", "1s ", "2", "2 merges", "4 envelope", "4r ", "6", "7", "7 cluster",
            "8 text", "volumes", "boot order" })
            Assert.Contains(steps.Keys, k => point.EndsWith(' ')
                ? k.StartsWith(point, StringComparison.Ordinal) : k == point);
        foreach (string answered in new[] { "2", "6", "7", "boot", "boot order", "volumes", "others" })
            Assert.Equal(JsonValueKind.Null, steps[answered].GetProperty("Error").ValueKind);
        Assert.Contains(_room.Machine.References[0].Id, steps["7"].GetProperty("Answer").GetRawText()
            .Replace(@"\\", @"\"), StringComparison.Ordinal);

        // After a migration it is run again, with the first result.
        Assert.Equal(["true"], StillThere(Run("second.json", $"-CompareWith '{_folder["first.json"]}'")));
        _room.Machine.References.Clear();
        Assert.Equal(["false"], StillThere(Run("third.json", $"-CompareWith '{_folder["first.json"]}'")));
    }

    [Fact]
    public void What_it_makes_is_gone_in_the_end()
    {
        SimMachine? made = null;
        _room.Host.OnMade = m => made = m;
        IReadOnlyDictionary<string, JsonElement> steps = Run("result.json", "-Change");
        foreach (string step in new[] { "8", "3", "5", "4", "define", "adapter", "8 vlan", "8 export", "2b", "6b",
            "undone", "undone VM" })
            Assert.True(steps[step].GetProperty("Error").ValueKind == JsonValueKind.Null, $"{step}: {steps[step]}");
        Assert.Equal((false, (ushort?)42), (made!.IsMergingOff, made.Adapters[0].Vlan));
        Assert.Contains("\"EnabledState\": 0", steps["8 export"].GetRawText(), StringComparison.Ordinal);
        Assert.Contains("\"EnabledState\": 1", steps["2b"].GetRawText(), StringComparison.Ordinal);
        Assert.Equal([_room.Machine], _room.Host.Machines);
        Assert.Empty(_room.Machine.Snapshots);
        Assert.Empty(_room.Machine.References);
        Assert.Empty(Directory.GetFileSystemEntries(Path.GetTempPath(), made.Name));
    }

    [Theory]
    [InlineData("ConvertToReferencePoint")]
    [InlineData("AddResourceSettings")]
    public void What_the_host_refuses_is_in_the_result_and_nothing_stays(string method)
    {
        _room.Host.Faults[method] = new SimFault { Code = 32775 };
        IReadOnlyDictionary<string, JsonElement> steps = Run("result.json", "-Change");
        Assert.Contains(steps.Values,
            s => s.GetProperty("Error").ToString().Contains("32775", StringComparison.Ordinal));
        Assert.Equal(["nothing is left", "nothing is left"], new[] { "undone", "undone VM" }
            .Select(s => steps[s].GetProperty("Answer").GetString()));
        Assert.Empty(_room.Machine.Snapshots);
        Assert.Equal([_room.Machine], _room.Host.Machines);
    }

    [Fact]
    public void A_run_that_breaks_off_writes_its_result_all_the_same()
    {
        EngineSession.Result run = _room.Session.Run("& $args[0] -VMName nobody -ResultPath $args[1]",
            Path.Combine(BuildLayout.RepositoryRoot, "docs", "hyperv-checklist.ps1"), _folder["broken.json"]);
        Assert.Contains("There are 0 VMs called 'nobody'", string.Join("\n", run.Errors), StringComparison.Ordinal);
        Assert.Contains("broken off", File.ReadAllText(_folder["broken.json"]), StringComparison.Ordinal);
    }

    private static IEnumerable<string> StillThere(IReadOnlyDictionary<string, JsonElement> steps) =>
        steps["7 moved"].GetProperty("Answer").EnumerateArray().Where(a => a.TryGetProperty("IsThere", out _))
            .Select(a => a.GetProperty("IsThere").GetRawText());

    private Dictionary<string, JsonElement> Run(string result, string more)
    {
        EngineSession.Result run = _room.Session.Run(
            $"& $args[0] -VMName natalia-01 -ResultPath $args[1] {more}",
            Path.Combine(BuildLayout.RepositoryRoot, "docs", "hyperv-checklist.ps1"), _folder[result]);
        Assert.True(run.Errors.Count == 0, string.Join("\n", run.Errors));
        return JsonDocument.Parse(File.ReadAllText(_folder[result])).RootElement.GetProperty("Steps").EnumerateArray()
            .ToDictionary(s => s.GetProperty("Id").GetString()!);
    }
}
