using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Restore;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Cmdlets.Tests.Restore;

/// <summary>
/// <c>Restore-NataliaAppliance</c> of points of our own repositories, on real folders and on the memory hypervisor.
/// </summary>
public sealed class RestoreApplianceTests : IDisposable
{
    private static readonly byte[] s_system = RepositoryFixture.Disk(600_064, 1),
        s_data = RepositoryFixture.Disk(400_384, 2), s_variables = RepositoryFixture.Disk(9000, 3);

    private const string Firmware =
        "Test-NataliaPrerequisite natalia-nice -Detailed | Where-Object Name -eq FirmwareState";

    private readonly TemporaryFolder _folder = new();
    private readonly EngineSession _session = new();

    public RestoreApplianceTests()
    {
        Directory.CreateDirectory(_folder["vms/natalia-nice"]);
        Directory.CreateDirectory(_folder["out"]);
        File.WriteAllBytes(_folder["vms/natalia-nice/system.raw"], s_system);
        File.WriteAllBytes(_folder["vms/natalia-nice/data.raw"], s_data);
        File.WriteAllBytes(_folder["vms/natalia-nice/vars.fd"], s_variables);
        Describe("natalia-nice", "natalia-nice", "4711", "data.raw");
        Ok("Connect-NataliaHypervisor -Folder $args[0] -Name vms; "
            + "Connect-NataliaHypervisor -Folder $args[1] -Name out; "
            + "New-NataliaRepository -Name local -Path $args[2] -Unencrypted",
            _folder["vms"], _folder["out"], _folder["repository"]);
    }

    public void Dispose()
    {
        _session.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_whole_point_becomes_a_vm_in_a_folder_and_that_is_recorded()
    {
        BackUp("-IncludeSystemDisk");
        EngineSession.Result made = Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out");
        string id = Assert.Single(Ok("(Get-NataliaAppliance -Name natalia-nice -Hypervisor out).NativeId").Text);
        Assert.NotEqual("4711", id);
        Assert.Equal("natalia-nice", Assert.Single(made.Text));
        Assert.Equal(s_system, File.ReadAllBytes(_folder["out/natalia-nice/system.raw"]));
        Assert.Equal(s_data, File.ReadAllBytes(_folder["out/natalia-nice/data.raw"]));
        Assert.Equal(s_variables, File.ReadAllBytes(_folder["out/natalia-nice/attachments/uefi-variables"]));
        Assert.Equal(["out/natalia-nice"], Directory.GetDirectories(_folder["out"])
            .Select(d => Path.GetRelativePath(_folder.Path, d)));
        string data = Assert.Single(Ok("(Get-NataliaAuditRecord | Where-Object Event -eq point-restored).Data").Text);
        using JsonDocument record = JsonDocument.Parse(data);
        Assert.Equal((id, "natalia-nice", "out"), (record.RootElement.GetProperty("vm").GetString(),
            record.RootElement.GetProperty("name").GetString(),
            record.RootElement.GetProperty("hypervisor").GetString()));
        Assert.True(double.TryParse(record.RootElement.GetProperty("seconds").GetString(),
            System.Globalization.CultureInfo.InvariantCulture, out _));
        // What was restored can be backed up again, with its attachment.
        Assert.Equal(["uefi-variables (UefiVariables)"],
            Ok("(Invoke-NataliaBackup natalia-nice -Hypervisor out -IncludeSystemDisk -Repository local)"
                + ".Attachments").Text);
        Assert.Equal(["True"], Ok("Test-NataliaAudit -Quiet").Text);
    }

    [Fact]
    public void A_data_disk_alone_needs_a_system_image()
    {
        BackUp();
        Assert.Equal([ErrorIds.SystemImageRequired],
            Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out").ErrorIds);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["out"]));
        byte[] fresh = RepositoryFixture.Disk(800_256, 8);
        File.WriteAllBytes(_folder["fresh.raw"], fresh);
        Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out -NewName copy "
            + "-SystemImage $args[0]", _folder["fresh.raw"]);
        Assert.Equal(fresh, File.ReadAllBytes(_folder["out/copy/system.raw"]));
        Assert.Equal(s_data, File.ReadAllBytes(_folder["out/copy/data.raw"]));
        Ok("Set-NataliaAppliance natalia-nice -Hypervisor vms -Repository local -SystemImage $args[0]",
            _folder["fresh.raw"]);
        Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out -NewName kept");
        Assert.Equal(fresh, File.ReadAllBytes(_folder["out/kept/system.raw"]));
        Assert.Equal([ErrorIds.SystemImageNotFound], Run("Get-NataliaRestorePoint -Latest | "
            + "Restore-NataliaAppliance -Hypervisor out -NewName more -SystemImage /nowhere/x.raw").ErrorIds);
    }

    [Fact]
    public void What_would_fail_or_collide_is_refused_before_anything_is_made()
    {
        BackUp("-IncludeSystemDisk");
        Refused(ErrorIds.ApplianceNameInUse, "-Hypervisor vms -Network @{ voice = 'lab' }");
        Refused(ErrorIds.NetworkChoiceRequired, "-Hypervisor vms -NewName copy");
        Refused(ErrorIds.NetworkNotFound, "-Hypervisor vms -NewName copy -Network @{ noise = 'lab' }");
        Refused(ErrorIds.HypervisorAmbiguous, "-NewName copy");
        Refused(ErrorIds.StorageNotFound, "-Hypervisor out -Storage tank");
        Refused(ErrorIds.CapabilityMissing, "-Hypervisor out -Start");
        Refused(ErrorIds.CapabilityMissing, "-Hypervisor out -OverExisting");
        Refused(ErrorIds.CapabilityMissing, "-TargetAppliance natalia-nice -NewName copy");
        Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor vms -NewName copy "
            + "-Network @{ voice = 'lab' } -WhatIf");
        Assert.Equal(["natalia-nice"], Directory.GetDirectories(_folder["vms"]).Select(Path.GetFileName));
        Assert.Empty(Directory.GetFileSystemEntries(_folder["out"]));
        Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor vms -NewName copy "
            + "-Network @{ voice = 'lab' }");
        Assert.Equal(["lab"], Ok("(Get-NataliaAppliance -Name copy -Hypervisor vms).Networks.Name").Text);

        void Refused(string errorId, string parameters) => Assert.Equal([errorId],
            Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance " + parameters).ErrorIds);
    }

    [Fact]
    public void A_restore_that_fails_leaves_nothing()
    {
        BackUp("-IncludeSystemDisk");
        DamageData();
        EngineSession.Result failed = Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out");
        Assert.Single(failed.ErrorIds);
        Assert.Empty(failed.Output);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["out"]));
        Assert.Empty(Ok("Get-NataliaAuditRecord | Where-Object Event -eq point-restored").Output);
        Assert.Empty(Notes("Folder", _folder["out"]));
    }

    [Fact]
    public void What_a_dead_restore_left_is_removed_and_what_a_living_one_builds_is_not()
    {
        BackUp("-IncludeSystemDisk");
        string dead = Guid.NewGuid().ToString("N"), living = Guid.NewGuid().ToString("N"),
            stranger = Guid.NewGuid().ToString("N");
        foreach (string build in new[] { dead, living, stranger })
            Directory.CreateDirectory(_folder[$"out/.natalia-building.{Guid.NewGuid()}.20260102T030405Z.{build}"]);
        string note = JsonSerializer.Serialize(new { kind = "Folder", location = _folder["out"] });
        Directory.CreateDirectory(BuildJournal.DefaultFolder);
        string deadNote = Path.Combine(BuildJournal.DefaultFolder, dead + ".json"),
            livingNote = Path.Combine(BuildJournal.DefaultFolder, living + ".json");
        File.WriteAllText(deadNote, note);
        File.WriteAllText(livingNote, note);
        try
        {
            using (new FileStream(livingNote, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            {
                EngineSession.Result made =
                    Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out");
                Assert.Contains("2026-01-02 03:04 UTC", Assert.Single(made.Warnings));
            }
            Assert.False(File.Exists(deadNote));
            Assert.Equal(new[] { living, stranger }.Order(), Directory.GetDirectories(_folder["out"], ".natalia-*")
                .Select(d => d.Split('.')[^1]).Order());
        }
        finally
        {
            File.Delete(livingNote);
            File.Delete(deadNote);
        }
    }

    [Fact]
    public void A_data_disk_goes_into_a_fresh_appliance_that_keeps_everything_else()
    {
        BackUp();
        byte[] system = RepositoryFixture.Disk(1_000_448, 5);
        Deploy(system);
        const string script =
            "Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Confirm:$false -TargetAppliance ";
        Ok(script + "fresh -WhatIf");
        Assert.Equal(new byte[s_data.Length], File.ReadAllBytes(_folder["out/fresh/data.raw"]));
        EngineSession.Result made = Ok(script + "fresh");
        Assert.Equal(["fresh"], made.Text);
        Assert.Equal(s_data, File.ReadAllBytes(_folder["out/fresh/data.raw"]));
        Assert.Equal(system, File.ReadAllBytes(_folder["out/fresh/system.raw"]));
        Assert.Contains("\"replaced\":\"data\"",
            Assert.Single(Ok("(Get-NataliaAuditRecord | Where-Object Event -eq point-restored).Data").Text));

        File.WriteAllBytes(_folder["out/fresh/data.raw"], new byte[s_data.Length + 512]);
        Assert.Equal([ErrorIds.DiskSizeMismatch], Run(script + "fresh").ErrorIds);
        Assert.Equal([ErrorIds.ApplianceAmbiguous], Run(script + "*").ErrorIds);
        Assert.Equal([ErrorIds.ApplianceNotFound], Run(script + "nobody").ErrorIds);
        File.WriteAllBytes(_folder["out/fresh/data.raw"], new byte[s_data.Length]);
        DamageData();
        Assert.DoesNotContain(ErrorIds.NotConfirmed, Assert.Single(Run(script + "fresh").ErrorIds));
        Assert.Equal(new byte[s_data.Length], File.ReadAllBytes(_folder["out/fresh/data.raw"]));
        Assert.Equal(["data.raw", "system.raw", "vars.fd", "vm.json"],
            Directory.GetFiles(_folder["out/fresh"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("-Confirm:$false")]
    [InlineData("-WhatIf")]
    public void Of_several_points_for_one_vm_none_is_restored_since_the_oldest_would_stay(string answer)
    {
        BackUp();
        File.WriteAllBytes(_folder["vms/natalia-nice/data.raw"], RepositoryFixture.Disk(s_data.Length, 7));
        BackUp();
        Deploy([]);
        string script = "Get-NataliaRestorePoint | Restore-NataliaAppliance -TargetAppliance fresh " + answer;
        EngineSession.Result several = Run(script);
        Assert.Equal([ErrorIds.InputRefused], several.ErrorIds);
        Assert.All(Ok("(Get-NataliaRestorePoint).RestorePointId").Text,
            id => Assert.Contains(id, several.Errors[0].Exception.Message, StringComparison.Ordinal));
        Assert.Contains("-Latest -Repository", several.Errors[0].ErrorDetails.RecommendedAction,
            StringComparison.Ordinal);
        Assert.Empty(several.Output);
        Assert.Equal(new byte[s_data.Length], File.ReadAllBytes(_folder["out/fresh/data.raw"]));
        // The same one twice is one.
        Ok(script.Replace("Get-NataliaRestorePoint", "@(Get-NataliaRestorePoint)[-1, -1]", StringComparison.Ordinal));
        Assert.Equal(answer == "-WhatIf" ? new byte[s_data.Length] : s_data,
            File.ReadAllBytes(_folder["out/fresh/data.raw"]));
    }

    [Theory]
    [InlineData(null, ErrorIds.NotConfirmed)]
    [InlineData("No", null)]
    [InlineData("Yes", null)]
    public void What_a_vm_holds_is_replaced_only_when_somebody_says_so(string? answer, string? errorId)
    {
        BackUp();
        Deploy([]);
        var host = new RecordingHost(answer is null ? [] : [answer]);
        using var session = new EngineSession(host);
        Assert.Empty(session.Run("$null = Connect-NataliaHypervisor -Folder $args[0] -Name out; "
            + "$null = Connect-NataliaRepository -Path $args[1] -Name local -Unencrypted",
            _folder["out"], _folder["repository"]).Errors);
        EngineSession.Result result =
            session.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -TargetAppliance fresh");
        Assert.Equal(errorId is null ? [] : [errorId], result.ErrorIds);
        string question = Assert.Single(host.Questions);
        Assert.Contains("the disk 'data' of the VM 'fresh' on 'out'", question, StringComparison.Ordinal);
        Assert.Contains("What the disk holds now is lost.", question, StringComparison.Ordinal);
        Assert.Equal(answer == "Yes" ? s_data : new byte[s_data.Length],
            File.ReadAllBytes(_folder["out/fresh/data.raw"]));
    }

    /// <summary>An appliance as it comes from its package, switched off.</summary>
    private void Deploy(byte[] system)
    {
        Directory.CreateDirectory(_folder["out/fresh"]);
        File.WriteAllBytes(_folder["out/fresh/system.raw"], system);
        File.WriteAllBytes(_folder["out/fresh/data.raw"], new byte[s_data.Length]);
        Describe("../out/fresh", "fresh", "1", "data.raw");
        File.WriteAllBytes(_folder["out/fresh/vars.fd"], s_variables);
    }

    [Fact]
    public void Another_hypervisor_builds_the_vm_and_says_what_it_could_not_put_back()
    {
        BackUp("-IncludeSystemDisk");
        var inventory = new MemoryInventory();
        Ok("Add-Fake $args[0] -Name memory", new MemoryVMHost(inventory));
        EngineSession.Result made = Ok("Get-NataliaRestorePoint -Latest | "
            + "Restore-NataliaAppliance -Hypervisor memory -NewName copy -Network @{ voice = 'lab' } -Start");
        MemoryVM vm = inventory.VMs.Values.Single(v => v.Name == "copy");
        Assert.Equal(s_system, vm.Disks["system"]);
        Assert.Equal(s_data, vm.Disks["data"]);
        Assert.Equal(["lab"], vm.Networks);
        Assert.Null(vm.Building);
        Assert.True(vm.IsRunning);
        Assert.Contains("uefi-variables (UefiVariables)", Assert.Single(made.Warnings));

        // A network that is not there, and a host that dies half way: nothing is left, or it is told and found later.
        Assert.Equal([ErrorIds.NetworkNotFound], Run("Get-NataliaRestorePoint -Latest | "
            + "Restore-NataliaAppliance -Hypervisor memory -NewName more -Network @{ voice = 'x' }").ErrorIds);
        Ok("Add-Fake $args[0] -Name mortal", new MemoryVMHost(inventory) { Lifetime = 8 });
        Assert.Single(Run("Get-NataliaRestorePoint -Latest | "
            + "Restore-NataliaAppliance -Hypervisor mortal -NewName more -Network @{ voice = 'lab' }").ErrorIds);
        Assert.Contains(inventory.VMs.Values, v => v.Name == "more" && v.Building is not null);
        EngineSession.Result again = Ok("Get-NataliaRestorePoint -Latest | "
            + "Restore-NataliaAppliance -Hypervisor memory -NewName third -Network @{ voice = 'lab' }");
        Assert.Contains(again.Warnings, w => w.Contains("'more'", StringComparison.Ordinal));
        Assert.DoesNotContain(inventory.VMs.Values, v => v.Name == "more");
    }

    [Fact]
    public void Attachments_are_written_beside_the_exported_configuration_and_told_beforehand()
    {
        BackUp();
        EngineSession.Result files = Ok("Get-NataliaRestorePoint -Latest | "
            + "Export-NataliaApplianceConfiguration -Destination $args[0]", _folder["nice.json"]);
        Assert.Equal([_folder["nice.json"], _folder["nice.uefi-variables"]], files.Text);
        Assert.Equal(s_variables, File.ReadAllBytes(_folder["nice.uefi-variables"]));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(_folder["nice.json"]));
        Assert.Equal("nice.uefi-variables",
            json.RootElement.GetProperty("attachments")[0].GetProperty("path").GetString());
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite,
                File.GetUnixFileMode(_folder["nice.uefi-variables"]));

        Assert.Equal(["FirmwareState: Passed"], Ok(Firmware).Text);
        File.Delete(_folder["vms/natalia-nice/vars.fd"]);
        Assert.Equal(["FirmwareState: Failed"], Ok(Firmware).Text);
        // The disks are backed up all the same, and it is said.
        EngineSession.Result point = BackUp();
        Assert.Contains("has no attachments", Assert.Single(point.Warnings));
        Assert.Empty(Ok("(Get-NataliaRestorePoint -Latest).Attachments").Output);
        Assert.Contains("has no attachments", Reason());
    }

    [Fact]
    public void A_uefi_vm_without_variables_is_told_by_its_point_and_by_its_restore()
    {
        EngineSession.Result first = BackUp("-IncludeSystemDisk");
        Assert.Empty(first.Warnings);
        Assert.Null(first.Output.Single().Properties["Reason"].Value);
        string description = _folder["vms/natalia-nice/vm.json"];
        File.WriteAllText(description, $$"""{ "firmware": "UEFI",{{File.ReadAllText(description).Split('{', 2)[1]}}""");
        Assert.Empty(BackUp("-IncludeSystemDisk").Warnings);
        Assert.Empty(Restore("with").Warnings);

        File.WriteAllText(description, File.ReadAllText(description).Replace("attachments", "formerly"));
        Assert.Contains("starts by UEFI", Assert.Single(BackUp("-IncludeSystemDisk").Warnings));
        Assert.Contains("starts by UEFI", Reason());
        Assert.StartsWith("No UEFI variables and no TPM state of this VM are known.",
            Ok($"({Firmware}).Detail").Text[0]);
        string warning = Assert.Single(Restore("without").Warnings);
        Assert.StartsWith("without: it starts by UEFI", warning);
        Assert.Contains("choose the boot loader's file", warning);

        EngineSession.Result Restore(string name) => Ok("Get-NataliaRestorePoint -Latest | "
            + "Restore-NataliaAppliance -Hypervisor out -NewName $args[0]", name);
    }

    [Theory]
    [InlineData("../../secret", ErrorIds.PathNotContained)]
    [InlineData("large", ErrorIds.AttachmentNotRead)]
    [InlineData("folder", ErrorIds.AttachmentNotRead)]
    public void A_description_cannot_make_a_backup_take_what_is_no_attachment(string path, string errorId)
    {
        Directory.CreateDirectory(_folder["vms/natalia-nice/folder"]);
        using (FileStream large = File.Create(_folder["vms/natalia-nice/large"])) large.SetLength((64 << 20) + 1);
        File.WriteAllText(_folder["secret"], "secret");
        Describe("natalia-nice", "natalia-nice", "4711", "data.raw", path);
        Assert.Equal([errorId], Ok($"({Firmware}).ErrorId").Text);
        Assert.Contains("has no attachments", Assert.Single(BackUp().Warnings));
        Assert.Contains("has no attachments", Reason());
        Assert.Empty(Ok("(Get-NataliaRestorePoint -Latest).Attachments").Output);
    }

    [Fact]
    public void What_would_fail_of_images_in_a_folder_is_told_beforehand()
    {
        Assert.Equal(["Prerequisites: Passed"], Ok("Test-NataliaPrerequisite natalia-nice -Hypervisor vms").Text);
        Assert.Equal(["Inventory: Passed"], Ok("Test-NataliaPrerequisite -Hypervisor vms -Detailed").Text);
        File.WriteAllBytes(_folder["vms/natalia-nice/data.raw"], new byte[1000]);
        Assert.Equal(["Images: Warning"], Ok("Test-NataliaPrerequisite natalia-nice | Where-Object Name -eq Images")
            .Text);
        File.WriteAllBytes(_folder["vms/natalia-nice/data.raw"], []);
        Assert.Equal([$"Images Failed {ErrorIds.DiskEmpty}"], Ok("Test-NataliaPrerequisite natalia-nice | "
            + "Where-Object Result -eq Failed | ForEach-Object { \"$($_.Name) $($_.Result) $($_.ErrorId)\" }").Text);
        Assert.Equal(["False"], Ok("Test-NataliaPrerequisite natalia-nice -Quiet").Text);
        File.WriteAllText(_folder["vms/natalia-nice/vm.json"], "{ nothing }");
        Assert.Equal(["Inventory: Failed"], Ok("Test-NataliaPrerequisite -Hypervisor vms").Text);
        Assert.Equal([ErrorIds.CapabilityMissing],
            Run("Test-NataliaPrerequisite -Hypervisor vms -ReplicationTarget other").ErrorIds);
    }

    private EngineSession.Result BackUp(string parameters = "") =>
        Ok($"Invoke-NataliaBackup natalia-nice -Hypervisor vms -Repository local {parameters}");

    private string Reason() => Assert.Single(Ok("(Get-NataliaRestorePoint -Latest).Reason").Text);

    private void Describe(string folder, string name, string id, string data, string attachment = "vars.fd") =>
        File.WriteAllText(_folder[$"vms/{folder}/vm.json"], $$"""
            { "id": "{{id}}", "name": "{{name}}", "networks": [ { "name": "voice", "vlan": 7 } ],
              "disks": [ { "id": "system", "path": "system.raw", "role": "System", "format": "raw" },
                         { "id": "data", "path": "{{data}}", "role": "Data", "format": "raw" } ],
              "attachments": [ { "name": "uefi-variables", "path": "{{attachment}}", "kind": "uefiVariables" } ] }
            """);

    private void DamageData()
    {
        foreach (string pack in Directory.GetFiles(_folder["repository"], "*", SearchOption.AllDirectories)
            .Where(f => f.Contains($"{Path.DirectorySeparatorChar}data{Path.DirectorySeparatorChar}")))
        {
            byte[] bytes = File.ReadAllBytes(pack);
            bytes[bytes.Length / 2] ^= 1;
            File.WriteAllBytes(pack, bytes);
        }
    }

    private static string[] Notes(string kind, string location) =>
        [.. Directory.GetFiles(BuildJournal.DefaultFolder).Where(f =>
            File.ReadAllText(f) == JsonSerializer.Serialize(new { kind, location }))];

    private EngineSession.Result Run(string script, params object?[] arguments) => _session.Run(script, arguments);

    private EngineSession.Result Ok(string script, params object?[] arguments)
    {
        EngineSession.Result result = Run(script, arguments);
        Assert.Empty(result.Errors.Select(e => $"{e.FullyQualifiedErrorId}: {e}"));
        return result;
    }
}
