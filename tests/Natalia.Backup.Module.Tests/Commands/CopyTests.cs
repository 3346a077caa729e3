using System.Management.Automation;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class CopyTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("nas").WithRepository("offsite");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Every_night_copies_what_is_new_and_the_copies_restore_the_same_bytes()
    {
        BackUp();
        byte[] first = File.ReadAllBytes(_fixture.Disk("natalia-paris"));
        BackUp("natalia-lyon");
        Assert.Equal(["Copied", "Copied"], Copy());
        Assert.Equal(["AlreadyThere", "AlreadyThere"], Copy());
        _fixture.Change("natalia-paris", 70_000);
        BackUp();
        // Both repositories are connected and listed; only what the destination lacks is copied.
        Assert.Equal(["AlreadyThere", "AlreadyThere", "Copied"], Copy("Get-NataliaRestorePoint").Order());

        ScriptResult points = _fixture.Run("Get-NataliaRestorePoint -Repository offsite -Appliance natalia-paris")
            .ThrowIfFailed();
        Assert.Equal(2, points.Output.Count);
        Assert.Equal(
            _fixture.Run(
                "Get-NataliaRestorePoint -Repository nas -Appliance natalia-paris | ForEach-Object "
                + "RestorePointId").Text,
            points.Output.Select(p => (string)p!.Properties["OriginalRestorePointId"].Value));
        _fixture.Run("@(Get-NataliaRestorePoint -Repository offsite -Appliance natalia-paris)[-1] | "
            + "Export-NataliaDisk $args[0]",
            _fixture.Full("old.raw"))
            .ThrowIfFailed();
        Assert.Equal(first, File.ReadAllBytes(_fixture.Full("old.raw")));
        _fixture.Run("Get-NataliaRestorePoint -Repository offsite -Appliance natalia-paris -Latest | "
            + "Export-NataliaDisk $args[0]",
            _fixture.Full("new.raw"))
            .ThrowIfFailed();
        Assert.Equal(File.ReadAllBytes(_fixture.Disk("natalia-paris")), File.ReadAllBytes(_fixture.Full("new.raw")));
        Assert.Equal("True", _fixture.Run("Test-NataliaRepository offsite -Full -Quiet").ThrowIfFailed().Text[0]);
    }

    [Fact]
    public void Points_of_one_appliance_are_copied_under_one_lease_that_is_given_up_at_the_end()
    {
        for (int i = 0; i < 3; i++)
        {
            _fixture.Change("natalia-paris", 70_000 + i);
            BackUp();
        }
        Assert.Equal(["Copied", "Copied", "Copied"], Copy());
        string[] leases = Directory.EnumerateFiles(_fixture.Full("offsite"), "*", SearchOption.AllDirectories)
            .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "leases").Select(Path.GetFileName)
            .Order(StringComparer.Ordinal).ToArray()!;
        Assert.Equal(["000000000001", "000000000001.end"], leases);
    }

    [Fact]
    public void The_result_is_the_copy_and_can_be_piped_on()
    {
        string id = BackUp();
        ScriptResult result = _fixture.Run("$copy = Get-NataliaRestorePoint -Repository nas -Latest | "
            + "Copy-NataliaRestorePoint (Get-NataliaRepository offsite); $copy; $copy | Test-NataliaRestorePoint "
            + "-Quiet")
            .ThrowIfFailed();
        Assert.Equal(true, result.Output[1]!.BaseObject);
        PSObject copy = result.Output[0]!;
        Assert.Equal((id, "nas", "offsite"),
            ((string)copy.Properties["SourceRestorePointId"].Value, (string)copy.Properties["SourceRepository"].Value,
                (string)copy.Properties["Repository"].Value));
        Assert.Equal(_fixture.Run("Get-NataliaRestorePoint -Repository offsite").Value("RestorePointId"),
            copy.Properties["RestorePointId"].Value);
        Assert.InRange((long)copy.Properties["WrittenBytes"].Value, 300_000, 310_000);
        Assert.InRange((long)copy.Properties["ReadBytes"].Value, 300_000, 310_000);
        // By id alone, and from a job's result.
        Assert.Equal(["AlreadyThere"],
            _fixture.Run("(Copy-NataliaRestorePoint -RestorePointId $args[0] -Repository nas -Destination "
                + "offsite).Status.ToString()",
                id)
                .ThrowIfFailed().Text);
        Assert.Contains(_fixture.Run("Get-NataliaAuditRecord -Repository nas | ForEach-Object Event").Text,
            e => e == "point-copied");
    }

    [Fact]
    public void A_damaged_copy_is_made_again_with_a_warning_and_a_lost_original_comes_back()
    {
        string id = BackUp();
        Copy();
        foreach (string place in new[] { "offsite", "nas" })
        {
            string bad = _fixture.Run("Get-NataliaRestorePoint -Repository $args[0] | ForEach-Object RestorePointId",
                place).Text[0];
            string pack = Directory.EnumerateFiles(_fixture.Full(place), "00000000", SearchOption.AllDirectories)
                .First(f => f.Contains(bad, StringComparison.Ordinal)
                    && Path.GetDirectoryName(f)!.Contains(Path.DirectorySeparatorChar + "data"
                        + Path.DirectorySeparatorChar,
                        StringComparison.Ordinal));
            File.SetAttributes(pack, FileAttributes.Normal);
            byte[] stored = File.ReadAllBytes(pack);
            stored[stored.Length / 2] ^= 1;
            File.WriteAllBytes(pack, stored);
            _fixture.Run("Get-NataliaRestorePoint -Repository $args[0] | Test-NataliaRestorePoint", place);
            string good = place == "nas"
                ? "Get-NataliaRestorePoint -Repository offsite"
                : "Get-NataliaRestorePoint -Repository nas";
            ScriptResult warned = _fixture.Run($"$copy = {good} | Where-Object Verification -ne Failed | "
                + $"Copy-NataliaRestorePoint {place} -WarningVariable warnings; $copy.Status.ToString(); \"$warnings\"")
                .ThrowIfFailed();
            Assert.Equal("Copied", warned.Text[0]);
            Assert.Contains(bad, warned.Text[1], StringComparison.Ordinal);
            // Also when the damaged one comes along in the pipeline: the good one of the same state goes first.
            Assert.All(Copy(good, place), status => Assert.Equal("AlreadyThere", status));
            Assert.Equal(2, _fixture.Run("Get-NataliaRestorePoint -Repository $args[0]", place).Output.Count);
        }
        _fixture.Run("Repair-NataliaRepository nas -Full -RemoveLost -Confirm:$false -WarningAction SilentlyContinue")
            .ThrowIfFailed();
        string left =
            Assert.Single(
                _fixture.Run("Get-NataliaRestorePoint -Repository nas | ForEach-Object OriginalRestorePointId")
            .ThrowIfFailed().Text);
        Assert.Equal(id, left);
        Assert.All(Copy("Get-NataliaRestorePoint -Repository offsite", "nas"),
            status => Assert.Equal("AlreadyThere", status));
    }

    [Fact]
    public void WhatIf_names_what_would_be_copied_and_writes_nothing()
    {
        BackUp();
        Copy();
        _fixture.Change("natalia-paris", 10);
        string id = BackUp();
        IReadOnlyList<string> before = _fixture.Everything();
        ScriptResult result =
            _fixture.Run("Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint offsite -WhatIf")
            .ThrowIfFailed();
        Assert.Equal("AlreadyThere", Assert.Single(result.Output)!.Properties["Status"].Value.ToString());
        Assert.Single(Regex.Matches(_fixture.Session.Host.Text, "Copy the restore point to repository 'offsite'"));
        Assert.Contains(id, _fixture.Session.Host.Text, StringComparison.Ordinal);
        Assert.Equal(before, _fixture.Everything());
    }

    [Fact]
    public void What_was_removed_there_comes_back_only_with_Force()
    {
        BackUp();
        _fixture.Change("natalia-paris", 10);
        BackUp();
        Copy();
        _fixture.Run("@(Get-NataliaRestorePoint -Repository offsite)[-1] | Remove-NataliaRestorePoint -Confirm:$false")
            .ThrowIfFailed();
        Assert.Equal(["RemovedThere", "AlreadyThere"], Copy());
        Assert.Equal(["Copied", "AlreadyThere"], Copy(more: "-Force"));
    }

    [Fact]
    public void One_damaged_point_is_named_at_the_end_and_the_others_are_copied()
    {
        BackUp("natalia-lyon");
        string damaged = BackUp();
        FileInfo pack = new DirectoryInfo(_fixture.Full("nas")).EnumerateFiles("*", SearchOption.AllDirectories)
            .Single(f => f.FullName.Contains(damaged)
                && f.FullName.Contains("/data/".Replace('/', Path.DirectorySeparatorChar)));
        byte[] bytes = File.ReadAllBytes(pack.FullName);
        bytes[bytes.Length / 2] ^= 1;
        pack.Delete();
        File.WriteAllBytes(pack.FullName, bytes);
        BackUp("natalia-paris", "-Type Full");
        ScriptResult result =
            _fixture.Run("Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint offsite");
        Assert.StartsWith("RestorePointDamaged,", result.ErrorIds[0], StringComparison.Ordinal);
        Assert.Contains(damaged, result.Errors[0].Exception.Message, StringComparison.Ordinal);
        Assert.Contains(result.Output, o => (string)o!.Properties["ApplianceName"].Value == "natalia-lyon");
        Assert.DoesNotContain(
            _fixture.Run("Get-NataliaRestorePoint -Repository offsite | ForEach-Object OriginalRestorePointId").Text,
            t => t == damaged);
        // Even when the first error stops: the others are there by then.
        Assert.NotEmpty(_fixture.Run("try { Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint "
            + "offsite -ErrorAction Stop } catch { $_.FullyQualifiedErrorId }").Text);
    }

    [Theory]
    [InlineData("Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint nas", "CopyOntoItself,")]
    [InlineData("Copy-NataliaRestorePoint -RestorePointId 0123abcd -Repository nas -Destination nas",
        "CopyOntoItself,")]
    [InlineData("Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint nowhere",
        "RepositoryNotConnected,")]
    [InlineData("Copy-NataliaRestorePoint -RestorePointId 0123abcd -Destination offsite", "RestorePointNotFound,")]
    public void What_cannot_be_is_refused_with_its_own_error(string script, string expected)
    {
        BackUp();
        Assert.StartsWith(expected, Assert.Single(_fixture.Run(script).ErrorIds), StringComparison.Ordinal);
    }

    [Fact]
    public void Passwords_are_each_side_s_own_and_a_copy_in_the_clear_is_warned_of()
    {
        _fixture.Run("$null = New-NataliaRepository $args[0] -Name safe -Password $args[1]; $null = "
            + "New-NataliaRepository $args[2] -Name vault -Password $args[3]",
            _fixture.Full("safe"), FolderFixture.Password("correct horse"), _fixture.Full("vault"),
            FolderFixture.Password("battery staple"))
            .ThrowIfFailed();
        _fixture.BackUp(more: "-Repository safe");
        Assert.Equal(["Copied"], Copy("Get-NataliaRestorePoint -Repository safe", "vault"));
        Assert.Equal(["True"],
            _fixture.Run("Get-NataliaRestorePoint -Repository vault | Test-NataliaRestorePoint -Quiet")
                .ThrowIfFailed().Text);
        Assert.DoesNotContain("not:", _fixture.Session.Host.Text, StringComparison.Ordinal);
        ScriptResult clear = _fixture.Run("Get-NataliaRestorePoint -Repository safe | Copy-NataliaRestorePoint "
            + "offsite -WarningVariable warned; $warned | ForEach-Object { \"$_\" }")
            .ThrowIfFailed();
        Assert.Contains("is encrypted and 'offsite' is not", clear.Text[^1], StringComparison.Ordinal);
        ScriptResult closed = _fixture.Run("Disconnect-NataliaRepository vault; $null = Connect-NataliaRepository "
            + "$args[0] -Name vault -AuditOnly; Get-NataliaRestorePoint -Repository safe | Copy-NataliaRestorePoint "
            + "vault",
            _fixture.Full("vault"));
        Assert.StartsWith("PasswordRequired,", Assert.Single(closed.ErrorIds), StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_fits_the_screen()
    {
        BackUp();
        string text =
            Regex.Replace(
                _fixture.Session.Render("Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint offsite"),
            "\x1b\\[[0-9;]*m", "");
        Assert.True(Regex.IsMatch(text,
            @"\d{4}-\d\d-\d\d \d\d:\d\d Copied +29\d KiB offsite: +from nas in \d"),
            text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 80));
    }

    private string BackUp(string appliance = "natalia-paris", string more = "") =>
        _fixture.BackUp(appliance, "-Repository nas " + more);

    private IReadOnlyList<string> Copy(string points = "Get-NataliaRestorePoint -Repository nas",
        string destination = "offsite", string more = "") =>
        _fixture.Run(
            $"{points} | Copy-NataliaRestorePoint {destination} {more} | ForEach-Object {{ $_.Status.ToString() }}")
            .ThrowIfFailed().Text;
}
