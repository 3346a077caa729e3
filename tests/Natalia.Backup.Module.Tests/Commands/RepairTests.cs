using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class RepairTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("local");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void WhatIf_tells_the_same_and_changes_nothing_and_the_next_backup_heals()
    {
        string point = Damaged();
        IReadOnlyList<string> before = _fixture.Everything();
        ScriptResult looked =
            _fixture.Run("Repair-NataliaRepository local -Full -WhatIf -WarningAction SilentlyContinue")
            .ThrowIfFailed();
        Assert.Equal("PointsLost", $"{looked.Value("Outcome")}");
        Assert.Equal(true, looked.Value("IsWhatIf"));
        Assert.Equal(before, _fixture.Everything());

        ScriptResult done = _fixture.Run("$global:report = Repair-NataliaRepository -Full -WarningVariable warnings; "
            + "$global:count = $warnings.Count; $global:report")
            .ThrowIfFailed();
        Assert.Equal("local", done.Value("Repository"));
        Assert.Equal(1, done.Value("LostPoints"));
        Assert.Equal("1", _fixture.Run("$global:count").Text[0]);
        Assert.Equal([point],
            _fixture.Run(
                "Get-NataliaRestorePoint | Where-Object Verification -eq Failed | ForEach-Object RestorePointId").Text);
        Assert.Contains("DAMAGED", _fixture.Session.Render("Get-NataliaRestorePoint"), StringComparison.Ordinal);
        string list = "Get-NataliaRestorePoint -Latest | Format-List";
        Assert.Matches(@"Verification +: (\x1b\[0m)?Failed", _fixture.Session.Render(list));

        string healed = _fixture.BackUp();
        // Unknown would read as if no test had been made, or its result had been lost.
        Assert.DoesNotContain("Verifi", _fixture.Session.Render(list), StringComparison.Ordinal);
        Assert.Equal("True", _fixture.Run("Test-NataliaRestorePoint $args[0] -Quiet", healed).ThrowIfFailed().Text[0]);
        ScriptResult givenUp = _fixture.Run("Repair-NataliaRepository -Full -RemoveLost -Confirm:$false")
            .ThrowIfFailed();
        Assert.Equal(1, givenUp.Value("RemovedPoints"));
        Assert.Equal([healed], _fixture.Run("Get-NataliaRestorePoint | ForEach-Object RestorePointId").Text);
        Assert.Equal("True", _fixture.Run("Test-NataliaRepository -Full -Quiet").ThrowIfFailed().Text[0]);
        Assert.Equal("Whole", $"{_fixture.Run("Repair-NataliaRepository -Full").ThrowIfFailed().Value("Outcome")}");
    }

    [Fact]
    public void What_is_left_of_a_damaged_point_is_exported_when_loss_is_allowed()
    {
        string point = Damaged();
        Assert.StartsWith("BlockDamaged,",
            _fixture.Run("Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1]", point,
                _fixture.Full("a.raw")).ErrorIds.Single(),
            StringComparison.Ordinal);
        Assert.False(File.Exists(_fixture.Full("a.raw")));
        ScriptResult result = _fixture.Run("Export-NataliaDisk -RestorePointId $args[0] -Destination $args[1] "
            + "-AllowLoss -WarningVariable global:warnings",
            point, _fixture.Full("a.raw"))
            .ThrowIfFailed();
        Assert.Equal(65_536L, result.Value("BytesLost"));
        Assert.Contains("are lost", _fixture.Run("\"$global:warnings\"").Text[0], StringComparison.Ordinal);
        Assert.Equal(new FileInfo(_fixture.Disk("natalia-paris")).Length,
            new FileInfo(_fixture.Full("a.raw")).Length);
    }

    [Fact]
    public void A_lost_settings_file_is_made_again()
    {
        _fixture.BackUp();
        _fixture.Run("Disconnect-NataliaRepository local").ThrowIfFailed();
        string file = Path.Combine(_fixture.Full("local"), "natalia.json");
        byte[] good = File.ReadAllBytes(file);
        File.SetAttributes(file, FileAttributes.Normal);
        File.Delete(file);
        ScriptResult refused = _fixture.Run("Connect-NataliaRepository $args[0] -Unencrypted",
            _fixture.Full("local"));
        Assert.StartsWith("NotARepository,", refused.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Empty(_fixture.Run("Connect-NataliaRepository $args[0] -Unencrypted -RebuildSettings -WhatIf",
            _fixture.Full("local"))
            .ThrowIfFailed().Output);
        Assert.False(File.Exists(file));
        ScriptResult result = _fixture.Run("Connect-NataliaRepository $args[0] -Unencrypted -RebuildSettings "
            + "-WarningVariable warnings; $warnings.Count",
            _fixture.Full("local"))
            .ThrowIfFailed();
        Assert.Equal("1", result.Text[1]);
        Assert.Equal(good, File.ReadAllBytes(file));
        Assert.Single(_fixture.Run("Get-NataliaRestorePoint").ThrowIfFailed().Output);
    }

    [Fact]
    public void The_report_reads_well()
    {
        Damaged();
        string text =
            Regex.Replace(
                _fixture.Session.Render("Repair-NataliaRepository -Full -WhatIf -WarningAction SilentlyContinue"),
            "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"Outcome +: PointsLost", text);
        Assert.Matches(@"Points +: 0 whole, 1 lost", text);
        Assert.Matches(@"Findings +: PointLost \(Recorded\): 64\.0 KiB of disk", text);
    }

    [Fact]
    public void To_give_points_up_is_asked_for()
    {
        Damaged();
        string healed = _fixture.BackUp();
        _fixture.Run("$null = Repair-NataliaRepository -Full").ThrowIfFailed();
        Assert.StartsWith("RemovalNotConfirmed,",
            _fixture.Run("Repair-NataliaRepository -Full -RemoveLost").ErrorIds.Single(), StringComparison.Ordinal);
        _fixture.Session.Host.Reply("No");
        Assert.Empty(_fixture.Run("Repair-NataliaRepository -Full -RemoveLost").ThrowIfFailed().Output);
        Assert.Equal(2, _fixture.Run("Get-NataliaRestorePoint").ThrowIfFailed().Output.Count);
        _fixture.Session.Host.Reply("Yes");
        Assert.Equal(1,
            _fixture.Run("Repair-NataliaRepository -Full -RemoveLost").ThrowIfFailed().Value("RemovedPoints"));
        Assert.Equal([healed], _fixture.Run("Get-NataliaRestorePoint | ForEach-Object RestorePointId").Text);
    }

    [Fact]
    public void A_list_warns_once_of_points_whose_manifests_are_missing_and_names_who_helps()
    {
        _fixture.BackUp();
        string lost = _fixture.BackUp();
        _fixture.BackUp("natalia-lyon");
        string manifest = Directory.EnumerateFiles(_fixture.Full("local"), "*" + lost, SearchOption.AllDirectories)
            .Single(f => f.Contains("points", StringComparison.Ordinal));
        File.SetAttributes(manifest, FileAttributes.Normal);
        File.Delete(manifest);
        ScriptResult listed = _fixture.Run("Get-NataliaRestorePoint").ThrowIfFailed();
        Assert.Equal(2, listed.Output.Count);
        string warning = Assert.Single(listed.Warnings);
        Assert.StartsWith("1 restore point of natalia-paris in 'local' is missing", warning, StringComparison.Ordinal);
        Assert.Contains("Repair-NataliaRepository", warning, StringComparison.Ordinal);
        Assert.Empty(_fixture.Run("Get-NataliaRestorePoint natalia-lyon").ThrowIfFailed().Warnings);
        Assert.Contains("Repair-NataliaRepository",
            Assert.Single(
                _fixture.Run(
                    "Test-NataliaRepository -WarningAction SilentlyContinue | Out-Null").Errors).ErrorDetails.RecommendedAction,
            StringComparison.Ordinal);
        Assert.Contains("is missing",
            Assert.Single(_fixture.Run("Test-NataliaRestorePoint $args[0]",
                lost).Errors).ErrorDetails.RecommendedAction,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_latest_point_is_not_proved_by_the_one_before_it_when_a_later_one_is_missing()
    {
        string older = _fixture.BackUp();
        string lost = _fixture.BackUp();
        string manifest = Directory.EnumerateFiles(_fixture.Full("local"), "*" + lost, SearchOption.AllDirectories)
            .Single(f => f.Contains("points", StringComparison.Ordinal));
        File.SetAttributes(manifest, FileAttributes.Normal);
        File.Delete(manifest);

        ScriptResult latest = _fixture.Run("Get-NataliaRestorePoint -Latest");
        Assert.Equal(older, latest.Value("RestorePointId"));
        Assert.StartsWith("RestorePointMissing,", Assert.Single(latest.ErrorIds), StringComparison.Ordinal);
        Assert.Empty(latest.Warnings);

        ScriptResult recipe = _fixture.Run("$ErrorActionPreference = 'Stop'; if (-not (Get-NataliaRestorePoint "
            + "-Latest | Test-NataliaRestorePoint -Quiet)) { throw 'damaged' }; 'proved'");
        Assert.Empty(recipe.Output);
        Assert.StartsWith("RestorePointMissing,", Assert.Single(recipe.ErrorIds), StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_not_read_is_not_called_whole_and_findings_show_what_they_are_about()
    {
        Damaged();
        string text =
            Regex.Replace(_fixture.Session.Render("Repair-NataliaRepository -WhatIf -WarningAction SilentlyContinue"),
            "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"Points +: 1 not seen damaged, 0 lost \(bytes were not read; -Full reads them\)", text);
        string findings =
            Regex.Replace(
                _fixture.Session.Render(
                    "(Repair-NataliaRepository -Full -WhatIf -WarningAction SilentlyContinue).Findings"),
            "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"Kind +: PackDamaged", findings);
        Assert.Matches(@"Object +: appliances/", findings);
        Assert.DoesNotContain("LockedUntilUtc", findings, StringComparison.Ordinal);
    }

    /// <summary>A point of which one block is lost.</summary>
    private string Damaged()
    {
        var bytes = new byte[600_064];
        new Random(7).NextBytes(bytes);
        File.WriteAllBytes(_fixture.Disk("natalia-paris"), bytes);
        string point = _fixture.BackUp();
        string pack = Directory.EnumerateFiles(_fixture.Full("local"), "00000000", SearchOption.AllDirectories)
            .First(f => f.Contains("/data/", StringComparison.Ordinal)
                || f.Contains("\\data\\", StringComparison.Ordinal));
        File.SetAttributes(pack, FileAttributes.Normal);
        byte[] stored = File.ReadAllBytes(pack);
        stored[stored.Length / 2] ^= 1;
        File.WriteAllBytes(pack, stored);
        return point;
    }
}
