using System.Management.Automation;
using System.Security;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class OptimizeTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("local");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void The_space_of_removed_points_comes_back_after_the_grace()
    {
        string first = Removed();
        long before = Size();

        ScriptResult early = _fixture.Run("Optimize-NataliaRepository").ThrowIfFailed();
        Assert.Equal(1, early.Value("WaitingPoints"));
        Assert.Equal(0, early.Value("ForgottenPoints"));

        ScriptResult late = _fixture.Run("Optimize-NataliaRepository local -Appliance NATALIA-p* -GraceHours 0 -Force")
            .ThrowIfFailed();
        Assert.Equal("natalia-paris", late.Value("ApplianceName"));
        Assert.Equal("local", late.Value("Repository"));
        Assert.Equal(1, late.Value("ForgottenPoints"));
        var freed = (long)late.Value("FreedBytes")!;
        Assert.InRange(freed, 200_000, 400_000);
        Assert.InRange(Size(), before - freed, before - freed + 5_000);
        Assert.DoesNotContain(first, _fixture.Run("Get-NataliaRestorePoint | ForEach-Object RestorePointId").Text);
        Assert.Equal("True", _fixture.Run("Test-NataliaRepository -Full -Quiet").ThrowIfFailed().Text[0]);
        Assert.Equal(["True"],
            _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint -Quiet").ThrowIfFailed().Text);
    }

    [Fact]
    public void No_grace_at_all_needs_Force_and_WhatIf_changes_nothing_and_tells_what_it_would_come_to()
    {
        Removed();
        IReadOnlyList<string> before = _fixture.Everything();

        ScriptResult refused = _fixture.Run("Optimize-NataliaRepository -GraceHours 0");
        Assert.StartsWith("GraceTooShort,", refused.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidArgument, refused.Errors.Single().CategoryInfo.Category);
        ScriptResult planned = _fixture.Run("Optimize-NataliaRepository -GraceHours 0 -Force -WhatIf").ThrowIfFailed();
        Assert.Equal(true, planned.Value("IsWhatIf"));
        Assert.Contains("natalia-paris in repository 'local'", _fixture.Session.Host.Text, StringComparison.Ordinal);
        Assert.Equal(before, _fixture.Everything());
        ScriptResult done = _fixture.Run("Optimize-NataliaRepository -GraceHours 0 -Force").ThrowIfFailed();
        Assert.True((long)done.Value("FreedBytes")! > 0);
        foreach (string number in new[] { "ForgottenPoints", "WaitingPoints", "DeletedPacks", "RepackedPacks",
            "FreedBytes", "RewrittenBytes", "DeadBytes", "ReadDeltas" })
            Assert.Equal(planned.Value(number), done.Value(number));
    }

    [Fact]
    public void Each_appliance_has_its_result_and_a_name_that_fits_none_is_an_error_at_the_end()
    {
        _fixture.BackUp();
        _fixture.BackUp("natalia-lyon");

        ScriptResult result =
            _fixture.Run("Get-NataliaRepository | Optimize-NataliaRepository -Appliance natalia-metz, natalia-*");
        Assert.Equal(["natalia-lyon", "natalia-paris"],
            result.Output.Select(o => (string)o!.Properties["ApplianceName"].Value));
        Assert.StartsWith("ApplianceNotFound,", result.ErrorIds.Single(), StringComparison.Ordinal);
        _fixture.WithRepository("other");
        Assert.StartsWith("RepositoryAmbiguous,", _fixture.Run("Optimize-NataliaRepository").ErrorIds.Single(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_session_without_the_password_cannot_optimize()
    {
        SecureString password = FolderFixture.Password("correct horse");
        _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1]; Invoke-NataliaBackup natalia-paris "
            + "-Repository safe; Disconnect-NataliaRepository safe",
            _fixture.Full("safe"), password)
            .ThrowIfFailed();

        ScriptResult result =
            _fixture.Run("Connect-NataliaRepository $args[0] -AuditOnly | Optimize-NataliaRepository",
            _fixture.Full("safe"));
        Assert.StartsWith("PasswordRequired,", result.ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_shows_sizes_for_people()
    {
        Removed();
        string text = Regex.Replace(_fixture.Session.Render("Optimize-NataliaRepository -GraceHours 0 -Force"),
            "\x1b\\[[0-9;]*m", "");

        Assert.True(Regex.IsMatch(text, @"local: +2\d\d KiB +0 B +\d+ B 1 point gone, 1 pack deleted"), text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 120));
    }

    [Fact]
    public void Why_nothing_can_be_given_back_is_a_warning_and_stands_in_the_result()
    {
        Removed();
        _fixture.BackUp();
        string manifest = Directory.EnumerateFiles(_fixture.Full("local"), "*", SearchOption.AllDirectories)
            .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "points")
            .OrderBy(Path.GetFileName, StringComparer.Ordinal).ElementAt(1);
        File.Move(manifest, _fixture.Full("aside"));
        ScriptResult result = _fixture.Run("Optimize-NataliaRepository -GraceHours 0 -Force").ThrowIfFailed();
        Assert.StartsWith("natalia-paris: The manifest of a point is missing.", Assert.Single(result.Warnings),
            StringComparison.Ordinal);
        Assert.EndsWith((string)result.Value("Reason")!, result.Warnings[0], StringComparison.Ordinal);
        File.Move(_fixture.Full("aside"), manifest);
        result = _fixture.Run("Optimize-NataliaRepository -GraceHours 0 -Force").ThrowIfFailed();
        Assert.Empty(result.Warnings);
        Assert.Null(result.Value("Reason"));
    }

    /// <summary>Two points that share nothing, of which the first is removed.</summary>
    private string Removed()
    {
        string first = _fixture.BackUp();
        var bytes = new byte[300_032];
        new Random(99).NextBytes(bytes);
        File.WriteAllBytes(_fixture.Disk("natalia-paris"), bytes);
        _fixture.BackUp();
        _fixture.Run("Remove-NataliaRestorePoint $args[0] -Confirm:$false", first).ThrowIfFailed();
        return first;
    }

    private long Size() =>
        new DirectoryInfo(_fixture.Full("local")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length);
}
