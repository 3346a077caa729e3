using System.Management.Automation;
using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class RestorePointTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("local");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Points_come_newest_first_and_Latest_is_the_first_of_each_appliance()
    {
        string first = _fixture.BackUp();
        string other = _fixture.BackUp("natalia-lyon");
        string last = _fixture.BackUp();

        Assert.Equal([last, other, first], Ids("Get-NataliaRestorePoint"));
        Assert.Equal([last, other], Ids("Get-NataliaRestorePoint -Latest"));
        Assert.Equal([last, first], Ids("Get-NataliaRestorePoint NATALIA-PARIS"));
        Assert.Equal([last, first], Ids("Get-NataliaAppliance -Name natalia-paris | Get-NataliaRestorePoint"));
        Assert.Equal([other], Ids("Get-NataliaRestorePoint -Appliance *lyon"));
        Assert.Equal([last, other, first], Ids("Get-NataliaRepository | Get-NataliaRestorePoint"));
    }

    [Fact]
    public void A_list_of_a_result_is_counted_indexed_and_joined_like_an_array()
    {
        _fixture.AddAppliance("natalia-brest", "11111111-0000-0000-0000-000000000003", 3,
            """{ "id": "a", "path": "data.raw", "role": "Data" }, { "id": "b", "path": "more.raw" }""");
        File.Copy(_fixture.Disk("natalia-brest"), Path.Combine(_fixture.Appliances, "natalia-brest", "more.raw"));

        Assert.Equal(["2", "2", "b", "3", "0"], _fixture.Run("Set-StrictMode -Version 3; $p = Invoke-NataliaBackup "
            + "natalia-brest -IncludeSystemDisk; $p.Disks.Length; $p.Disks.Count; $p.Disks[-1].DiskId; "
            + "($p.Disks + 1).Length; $p.Attachments.Length").ThrowIfFailed().Text);
    }

    [Fact]
    public void Times_are_understood_in_every_kind()
    {
        _fixture.BackUp();
        const string around =
            "$t = (Get-NataliaRestorePoint).TimeUtc; $before = $t.AddMinutes(-1); $after = $t.AddMinutes(1);";

        Assert.Single(Ids($"{around} Get-NataliaRestorePoint -After $before -Before $after"));
        Assert.Single(
            Ids($"{around} Get-NataliaRestorePoint -After $before.ToLocalTime() -Before $after.ToLocalTime()"));
        Assert.Single(Ids($"{around} Get-NataliaRestorePoint -After ([DateTime]::SpecifyKind($before.ToLocalTime(), "
            + "'Unspecified')) -Before ([DateTime]::SpecifyKind($after.ToLocalTime(), 'Unspecified'))"));
        Assert.Single(
            Ids($"{around} Get-NataliaRestorePoint -After $before.ToString('o') -Before $after.ToString('o')"));
        Assert.Single(Ids($"{around} Get-NataliaRestorePoint -After $t -Before $t"));
        Assert.Empty(Ids($"{around} Get-NataliaRestorePoint -After $after"));
        Assert.Empty(Ids($"{around} Get-NataliaRestorePoint natalia-paris -Before $before"));
    }

    [Fact]
    public void An_id_may_be_cut_as_long_as_it_names_one_point()
    {
        string id = _fixture.BackUp();

        Assert.Equal([id], Ids($"Get-NataliaRestorePoint -RestorePointId {id[..6]}"));
        Assert.Equal([id], Ids($"Get-NataliaRestorePoint -RestorePointId {id.ToUpperInvariant()}"));
        Assert.Equal(["RestorePointNotFound"], Errors($"Get-NataliaRestorePoint -RestorePointId {id[..3]}"));
        Assert.Equal(["RestorePointNotFound", "RestorePointNotFound"],
            Errors("Get-NataliaRestorePoint -RestorePointId '0123456789', ffffffffff"));
        Assert.Contains("'01234567'",
            Assert.Single(_fixture.Run("Test-NataliaRestorePoint 01234567").Errors).Exception.Message,
            StringComparison.Ordinal);
        Assert.Contains("'12345678'",
            Assert.Single(_fixture.Run("Test-NataliaRestorePoint 12345678").Errors).Exception.Message,
            StringComparison.Ordinal);
        Assert.Contains("'1e10'",
            Assert.Single(_fixture.Run("Test-NataliaRestorePoint 1e10").Errors).Exception.Message,
            StringComparison.Ordinal);
        Assert.Contains("'123456d'",
            Assert.Single(_fixture.Run("Test-NataliaRestorePoint 123456d").Errors).Exception.Message,
            StringComparison.Ordinal);
        Assert.Equal(["RestorePointNotFound"], Errors("Get-NataliaRestorePoint natalia-metz"));
        Assert.Empty(Errors("Get-NataliaRestorePoint natalia-metz*"));
    }

    [Fact]
    public void A_point_can_be_removed_but_not_the_newest()
    {
        string first = _fixture.BackUp();
        string last = _fixture.BackUp();
        ScriptResult refused =
            _fixture.Run("Get-NataliaRestorePoint -Latest | Remove-NataliaRestorePoint -Confirm:$false");

        Assert.StartsWith("RestorePointIsNewest,", refused.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal(last, PSObject.AsPSObject(refused.Errors[0].TargetObject).Properties["RestorePointId"].Value);
        // -WhatIf tells the same, and says nothing of removing what stays.
        ScriptResult shown = _fixture.Run("Get-NataliaRestorePoint | Remove-NataliaRestorePoint -WhatIf");
        Assert.StartsWith("RestorePointIsNewest,", shown.Errors.Single().FullyQualifiedErrorId,
            StringComparison.Ordinal);
        _fixture.Run("Remove-NataliaRestorePoint $args[0] -Reason 'test' -Confirm:$false", first).ThrowIfFailed();
        Assert.Equal([last], Ids("Get-NataliaRestorePoint"));
    }

    [Fact]
    public void A_removal_asks_and_fails_where_nobody_answers()
    {
        string first = _fixture.BackUp();
        _fixture.BackUp();
        ScriptResult result = _fixture.Run("Remove-NataliaRestorePoint $args[0]", first);

        Assert.NotNull(result.TerminatingError ?? result.Errors.FirstOrDefault());
        Assert.Equal(2, Ids("Get-NataliaRestorePoint").Count);
    }

    [Fact]
    public void Damage_is_written_as_a_result_first_and_as_an_error_last()
    {
        _fixture.BackUp();
        string whole = _fixture.BackUp("natalia-lyon");
        string pack = Directory.EnumerateFiles(Path.Combine(_fixture.Full("local"), "appliances"), "*",
            SearchOption.AllDirectories)
            .Where(f => f.Contains($"{Path.DirectorySeparatorChar}data{Path.DirectorySeparatorChar}",
                StringComparison.Ordinal))
            .OrderBy(File.GetCreationTimeUtc).First();
        byte[] bytes = File.ReadAllBytes(pack);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(pack, bytes);

        ScriptResult result = _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint -ErrorAction Stop");
        Assert.Equal(["Failed", "Passed"],
            result.Output.Select(o => o!.Properties["Result"].Value.ToString()!).Order(StringComparer.Ordinal));
        Assert.StartsWith("RestorePointDamaged,", result.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidData, result.TerminatingError!.CategoryInfo.Category);
        Assert.Equal(["False"],
            _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint -Quiet").ThrowIfFailed().Text);
        Assert.Equal(["True"], _fixture.Run("Test-NataliaRestorePoint $args[0] -Quiet", whole).ThrowIfFailed().Text);

        ScriptResult scrub = _fixture.Run("Test-NataliaRepository -Full");
        Assert.Contains(scrub.Output, o => o!.Properties["Result"].Value.ToString() == "Failed");
        Assert.StartsWith("RepositoryCheckFailed,", scrub.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal("False",
            _fixture.Run("Test-NataliaRepository local -Full -Quiet").ThrowIfFailed().Single.ToString());
    }

    [Fact]
    public void A_point_whose_manifest_is_damaged_is_listed_and_never_taken_for_a_whole_one()
    {
        string first = _fixture.BackUp();
        string last = _fixture.BackUp();
        string manifest = Directory.EnumerateFiles(Path.Combine(_fixture.Full("local"), "appliances"), "*" + last,
            SearchOption.AllDirectories)
            .Single(f => Path.GetFileName(Path.GetDirectoryName(f)) == "points");
        byte[] bytes = File.ReadAllBytes(manifest);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(manifest, bytes);
        // What was read before is remembered: a new session sees it as the next morning's does.
        _fixture.Run("Disconnect-NataliaRepository local; $null = Connect-NataliaRepository -Path $args[0] -Name "
            + "local -Unencrypted",
            _fixture.Full("local"))
            .ThrowIfFailed();

        ScriptResult listed = _fixture.Run("Get-NataliaRestorePoint");
        Assert.Equal([last, first], listed.Output.Select(o => (string)o!.Properties["RestorePointId"].Value));
        Assert.Equal(["ManifestDamaged"], listed.ErrorIds.Select(i => i.Split(',')[0]));
        Assert.Contains("natalia-paris", listed.Errors[0].Exception.Message, StringComparison.Ordinal);
        Assert.Contains(last, listed.Errors[0].Exception.Message, StringComparison.Ordinal);
        Assert.Matches($"DAMAGED .* {last[..8]} local: natalia-paris",
            Render("Get-NataliaRestorePoint -ErrorAction SilentlyContinue"));
        Assert.Equal([first],
            _fixture.Run("Get-NataliaRestorePoint -Latest").Output
                .Select(o => (string)o!.Properties["RestorePointId"].Value));

        ScriptResult export =
            _fixture.Run("Get-NataliaRestorePoint -RestorePointId $args[0] | Export-NataliaDisk -Destination $args[1]",
            last, _fixture.Full("x.raw"));
        Assert.Equal(["ManifestDamaged"], export.ErrorIds.Select(i => i.Split(',')[0]));
        Assert.Empty(export.Warnings);
        Assert.Empty(Directory.EnumerateFiles(_fixture.Root, "x.raw*"));
        Assert.Equal(["ManifestDamaged"],
            Errors("Remove-NataliaRestorePoint $args[0] -Confirm:$false".Replace("$args[0]", last,
                StringComparison.Ordinal)));
        Assert.Equal(["False"],
            _fixture.Run(
                "Get-NataliaRestorePoint -ErrorAction SilentlyContinue | Test-NataliaRestorePoint -Quiet").Text);

        ScriptResult plan =
            _fixture.Run("Get-NataliaRestorePoint -ErrorAction SilentlyContinue | Get-NataliaRetentionPlan -Last 1");
        Assert.Equal([(first, "Keep")],
            plan.Output
                .Select(
                    r => ((string)r!.Properties["RestorePointId"].Value, r.Properties["Action"].Value.ToString()!)));
        Assert.Single(plan.Warnings);
    }

    [Fact]
    public void An_export_does_not_overwrite_unless_it_is_told_to()
    {
        string id = _fixture.BackUp();
        File.WriteAllText(_fixture.Full("x.raw"), "precious");
        const string export = "Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]";

        ScriptResult refused = _fixture.Run(export, id, _fixture.Full("x.raw"));
        Assert.StartsWith("DestinationExists,", refused.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(_fixture.Full("x.raw")));
        Assert.StartsWith("DiskNotFound,",
            _fixture.Run(export + " -DiskId nix -Force", id, _fixture.Full("x.raw")).ErrorIds.Single(),
            StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(_fixture.Full("x.raw")));

        Directory.CreateDirectory(_fixture.Full("out"));
        var path = (string)_fixture.Run(export, id, _fixture.Full("out")).ThrowIfFailed().Value("Path")!;
        Assert.Matches(@"out.natalia-paris-\d{8}T\d{6}Z-scsi1\.raw$", path);
        Assert.Equal(300_032, new FileInfo(path).Length);
    }

    [Theory]
    [InlineData("Vhdx", ".vhdx")]
    [InlineData("Vmdk", ".vmdk")]
    [InlineData("VmdkFlat", ".vmdk")]
    [InlineData("VmdkStreamOptimized", ".vmdk")]
    public void A_disk_that_is_exported_in_another_format_can_be_backed_up_from_it(string format, string extension)
    {
        string id = _fixture.BackUp();
        string folder = Directory.CreateDirectory(Path.Combine(_fixture.Appliances, "again")).FullName;

        ScriptResult exported = _fixture.Run(
            "Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1] -Format $args[2]", id, folder, format);
        _fixture.Run("Get-NataliaAppliance -Name again | Invoke-NataliaBackup").ThrowIfFailed();
        _fixture.Run("Get-NataliaRestorePoint -Appliance again | Export-NataliaDisk $args[0]", _fixture.Full("b.raw"))
            .ThrowIfFailed();
        _fixture.Run("Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]", id, _fixture.Full("a.raw"))
            .ThrowIfFailed();

        var path = (string)exported.ThrowIfFailed().Value("Path")!;
        Assert.EndsWith(extension, path, StringComparison.Ordinal);
        Assert.Equal(new FileInfo(path).Length, exported.Value("SizeBytes"));
        Assert.Equal(File.ReadAllBytes(_fixture.Full("a.raw")), File.ReadAllBytes(_fixture.Full("b.raw")));
    }

    [Fact]
    public void Every_point_gets_a_file_of_its_own_whatever_its_appliance_is_called() =>
        GetFilesOfTheirOwn("a/b", "a:b", "a_b", "A_B", "NUL", "dots...", "blanks  ");

    [Fact]
    [WineCannotTell("Wine's names are limited by the UTF-8 of the file system below it")]
    public void Points_of_appliances_with_long_names_get_files_of_their_own() =>
        GetFilesOfTheirOwn(new string('\u76D8', 120), new string('\u76D8', 121));

    private void GetFilesOfTheirOwn(params string[] names)
    {
        for (int i = 0; i < names.Length; i++)
        {
            string folder = Directory.CreateDirectory(Path.Combine(_fixture.Appliances, $"odd{i}")).FullName;
            File.WriteAllBytes(Path.Combine(folder, "data.raw"), new byte[512]);
            File.WriteAllText(Path.Combine(folder, "vm.json"), $$"""{ "id": "odd{{i}}", "name": "{{names[i]}}" }""");
        }
        _fixture.Run("Get-NataliaAppliance -Name * | Where-Object Name -notlike 'natalia-*' | Invoke-NataliaBackup")
            .ThrowIfFailed();
        Directory.CreateDirectory(_fixture.Full("out"));

        _fixture.Run("Get-NataliaRestorePoint | Export-NataliaDisk $args[0]", _fixture.Full("out")).ThrowIfFailed();
        _fixture.Run("Get-NataliaRestorePoint | Export-NataliaApplianceConfiguration -Destination $args[0]",
            _fixture.Full("out"))
            .ThrowIfFailed();

        Assert.Equal(names.Length, Directory.GetFiles(_fixture.Full("out"), "*.raw").Length);
        Assert.Equal(names.Length, Directory.GetFiles(_fixture.Full("out"), "*.json").Length);
    }

    [Fact]
    public void What_a_killed_export_left_is_removed_by_the_next_one_to_the_same_place()
    {
        string id = _fixture.BackUp();
        string folder = Directory.CreateDirectory(_fixture.Full("out")).FullName;
        string[] stale = [PartialOf(Path.Combine(folder, "x.raw")),
            PartialOf(Path.Combine(folder, "natalia-paris-20260101T000000Z-scsi1.raw"))];
        string other = PartialOf(Path.Combine(folder, "natalia-lyon-20260101T000000Z-scsi1.raw"));
        foreach (string file in stale.Append(other)) File.WriteAllText(file, "half");
        const string export = "$null = Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]";

        Assert.Empty(_fixture.Run(export + " -WhatIf", id, Path.Combine(folder, "x.raw")).ThrowIfFailed().Warnings);
        ScriptResult toFile = _fixture.Run(export, id, Path.Combine(folder, "x.raw")).ThrowIfFailed();
        Assert.Contains($"'{stale[0]}', which was removed", Assert.Single(toFile.Warnings), StringComparison.Ordinal);
        Assert.Equal([false, true, true], stale.Append(other).Select(File.Exists));
        Assert.Contains(stale[1], Assert.Single(_fixture.Run(export, id, folder).ThrowIfFailed().Warnings),
            StringComparison.Ordinal);
        Assert.Equal([false, false, true], stale.Append(other).Select(File.Exists));
    }

    /// <summary>How an export on this machine names what it writes until the image is whole.</summary>
    private string PartialOf(string image) => (string)_fixture.Run("""
        $files = @(Get-NataliaRestorePoint)[0].GetType().Assembly.GetType('Natalia.Backup.Engine.Disks.PartialFiles')
        $files.GetMethod('NewPath', [Reflection.BindingFlags] 'Static, NonPublic').Invoke($null, @($args[0]))
        """, image).ThrowIfFailed().Text.Single();

    [Fact]
    public void Paths_count_from_where_the_prompt_stands_and_drives_are_known()
    {
        string id = _fixture.BackUp();
        ScriptResult result = _fixture.Run("""
            $ExecutionContext.SessionState.Path.SetLocation($args[1]) | Out-Null
            (Export-NataliaDisk -RestorePointId $args[0] -Destination './a[1].raw').Path
            $ExecutionContext.SessionState.Path.SetLocation('env:') | Out-Null
            (Export-NataliaDisk -RestorePointId $args[0] -Destination "$($args[1])/b.raw").Path
            (Export-NataliaDisk -RestorePointId $args[0] -Destination "FileSystem::$($args[1])/c.raw").Path
            Export-NataliaDisk -RestorePointId $args[0] -Destination 'x'
            Export-NataliaDisk -RestorePointId $args[0] -Destination 'nodrive:x'
            """, id, _fixture.Root);

        Assert.Equal([_fixture.Full("a[1].raw"), _fixture.Full("b.raw"), _fixture.Full("c.raw")], result.Text);
        Assert.True(File.Exists(_fixture.Full("a[1].raw")));
        Assert.All(result.ErrorIds, i => Assert.StartsWith("PathNotSupported,", i, StringComparison.Ordinal));
        Assert.Equal(2, result.ErrorIds.Count);
    }

    [Theory]
    [InlineData("data.raw:hidden")]
    [InlineData("data.raw.")]
    [InlineData("data.raw ")]
    [InlineData("NUL")]
    [InlineData("COM1.raw")]
    public void What_Windows_would_write_under_another_name_is_not_exported(string name)
    {
        if (!OperatingSystem.IsWindows()) return;
        string id = _fixture.BackUp();
        string[] before = Directory.GetFileSystemEntries(_fixture.Root);
        ScriptResult result = _fixture.Run("""
            Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]
            Export-NataliaApplianceConfiguration -RestorePointId $args[0] -Destination $args[1]
            Export-NataliaProfile -Path $args[1]
            """, id, _fixture.Full(name));

        Assert.Equal(3, result.ErrorIds.Count);
        Assert.All(result.ErrorIds, i => Assert.StartsWith("PathNotSupported,", i, StringComparison.Ordinal));
        Assert.Empty(result.Output);
        Assert.Equal(before, Directory.GetFileSystemEntries(_fixture.Root));
    }

    [Fact]
    public void A_path_with_both_slashes_is_shown_with_those_of_the_system()
    {
        string id = _fixture.BackUp(), mixed = _fixture.Root.Replace('\\', '/') + "/absent/data.raw";
        ScriptResult result = _fixture.Run(
            "Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]", id, mixed);

        ErrorRecord error = result.TerminatingError ?? Assert.Single(result.Errors);
        Assert.Contains($"'{Path.Combine(_fixture.Root, "absent")}'", error.Exception.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_tables_fit_a_console_of_120_columns_and_say_what_matters()
    {
        _fixture.BackUp();
        foreach (string script in new[] { "Get-NataliaRestorePoint", "Get-NataliaAppliance -Name *",
            "Get-NataliaHypervisor", "Get-NataliaRepository", "Test-NataliaRepository",
            "Get-NataliaRestorePoint | Test-NataliaRestorePoint" })
        {
            string text = Render(script);
            Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 120));
            Assert.Contains("---", text, StringComparison.Ordinal);
        }
        Assert.Matches(@"\d{4}-\d\d-\d\d \d\d:\d\d Full +\S+ KiB +293 KiB [0-9a-f]{8} local: natalia-paris",
            Render("Get-NataliaRestorePoint"));
        Assert.Matches(@"natalia-paris +vms +4 +8\.00 GiB scsi1 +voice \(VLAN 110\)",
            Render("Get-NataliaAppliance -Name natalia-paris"));
    }

    [Fact]
    public void Completion_knows_the_points_that_were_listed()
    {
        string id = _fixture.BackUp();
        ScriptResult result = _fixture.Run("$line = \"Test-NataliaRestorePoint $($args[0].Substring(0, 2))\"; "
            + "[System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, "
            + "$null).CompletionMatches | ForEach-Object { $_.CompletionText; $_.ToolTip }",
            id);

        Assert.Equal(id, result.Text[0]);
        Assert.Contains("natalia-paris", result.Text[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Completion_knows_the_ids_of_appliances_that_were_shown_and_never_offers_files()
    {
        string id = _fixture.Run("(Get-NataliaAppliance -Name natalia-paris).ApplianceId").ThrowIfFailed().Text[0];
        foreach (string command in new[] { "Set-NataliaAppliance x", "Get-NataliaRestorePoint",
            "Measure-NataliaRecovery", "Get-NataliaAuditRecord" })
            Assert.Contains(id,
                _fixture.Run("$line = \"$($args[0]) -ApplianceId $($args[1].Substring(0, 3))\"; "
                    + "[System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, "
                    + "$null).CompletionMatches | ForEach-Object CompletionText",
                    command, id).Text);
    }

    [Fact]
    public void Completion_knows_the_networks_of_VMs_that_were_shown()
    {
        _fixture.Run("$null = Get-NataliaAppliance -Name natalia-paris").ThrowIfFailed();
        foreach (string command in new[] { "Test-NataliaRestore", "Set-NataliaAppliance", "Test-NataliaPrerequisite" })
            Assert.Equal(["voice"],
                _fixture.Run("$line = \"$($args[0]) -IsolatedNetwork v\"; "
                    + "[System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, "
                    + "$null).CompletionMatches | ForEach-Object CompletionText",
                    command).Text);
    }

    [Fact]
    public void What_is_not_known_completes_to_what_was_typed_and_never_to_files()
    {
        _fixture.BackUp();
        foreach (string line in new[] { "Connect-NataliaRepository -ProxmoxStorage ",
            "Set-NataliaReplication -TargetVMHost zz", "Restore-NataliaAppliance -Storage ",
            "Restore-NataliaAppliance -VMHost x" })
            Assert.Equal([line.Split(' ')[^1] is { Length: > 0 } typed ? typed : " "],
                _fixture.Run("$line = $args[0]; "
                    + "[System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, "
                    + "$null).CompletionMatches | ForEach-Object CompletionText",
                    line).Text);
    }

    [Fact]
    public void An_image_in_a_folder_has_one_extension()
    {
        string id = _fixture.BackUp();
        string folder = Directory.CreateDirectory(_fixture.Full("out")).FullName;
        _fixture.Run("$null = Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]", id, folder)
            .ThrowIfFailed();
        Assert.EndsWith("-scsi1.raw", Assert.Single(Directory.GetFiles(folder)), StringComparison.Ordinal);
    }

    private string Render(string script) => Regex.Replace(_fixture.Session.Render(script), "\x1b\\[[0-9;]*m", "");

    private IReadOnlyList<string> Ids(string script) =>
        [.. _fixture.Run(script).ThrowIfFailed().Output.Select(o => (string)o!.Properties["RestorePointId"].Value)];

    private IReadOnlyList<string> Errors(string script) =>
        [.. _fixture.Run(script).ErrorIds.Select(i => i.Split(',')[0])];
}
