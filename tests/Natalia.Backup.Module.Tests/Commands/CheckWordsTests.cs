using System.Management.Automation;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>What checks and their tables tell a person.</summary>
public sealed class CheckWordsTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void What_passed_has_no_numbers_beside_it_that_differ()
    {
        // 300,032 bytes are no whole number of blocks.
        _fixture.WithRepository("nas").BackUp();
        PSObject check = _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint").ThrowIfFailed().Single;
        Assert.Equal("Passed", check.Properties["Result"].Value.ToString());
        Assert.Equal("300032 bytes", check.Properties["Actual"].Value);
        Assert.Equal("300032 bytes", check.Properties["Expected"].Value);
        Assert.DoesNotContain("expected", Render("Get-NataliaRestorePoint | Test-NataliaRestorePoint"),
            StringComparison.Ordinal);
        Assert.DoesNotContain("expected",
            Render("Test-NataliaRepository -Detailed | Where-Object Result -eq Passed"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_healthy_repository_is_a_few_rows_and_what_is_wrong_comes_first()
    {
        _fixture.WithRepository("nas").BackUp();
        _fixture.BackUp("natalia-lyon");
        ScriptResult healthy = _fixture.Run("Test-NataliaRepository").ThrowIfFailed();
        Assert.InRange(healthy.Output.Count, 2, 5);
        ScriptResult detailed = _fixture.Run("Test-NataliaRepository -Detailed").ThrowIfFailed();
        Assert.Equal(detailed.Output.Count, healthy.Output.Sum(o => (int)o!.Properties["CheckCount"].Value));
        Assert.All(detailed.Output, o => Assert.Equal(1, o!.Properties["CheckCount"].Value));

        _fixture.Damage("nas", "natalia-lyon");
        ScriptResult damaged = _fixture.Run("Test-NataliaRepository -Full");
        Assert.Equal(["Failed", "Passed"], damaged.Output.Select(o => o!.Properties["Result"].Value.ToString()!));
        Assert.Equal("natalia-lyon", damaged.Output[0]!.Properties["ApplianceName"].Value);
        Assert.Contains("has failed 1 check. The first is Packs.", damaged.Errors.Single().Exception.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Test-NataliaRepository")]
    [InlineData("Test-NataliaRepository -Full -Detailed")]
    [InlineData("Get-NataliaRestorePoint | Test-NataliaRestorePoint")]
    [InlineData("Test-NataliaAudit")]
    [InlineData("Get-NataliaAuditRecord")]
    [InlineData("Get-NataliaRetentionPlan")]
    [InlineData("Get-NataliaRestorePoint | Export-NataliaApplianceConfiguration -Destination $args[0]")]
    public void With_two_repositories_every_row_says_of_which_it_speaks(string script)
    {
        TwoRepositories();
        ScriptResult rows = _fixture.Run(script, _fixture.Root).ThrowIfFailed();
        Assert.All(rows.Output,
            o => Assert.Contains(o!.Properties["Repository"].Value, (IEnumerable<object>)["nas", "offsite"]));
        Assert.All(rows.Output.Where(o => o!.Properties["ApplianceId"].Value is not null),
            o => Assert.StartsWith("natalia-", (string)o!.Properties["ApplianceName"].Value, StringComparison.Ordinal));
        _fixture.Run("Remove-Item $args[0]", Path.Combine(_fixture.Root, "*.json"));
        string text = Render(script, _fixture.Root);
        Assert.Contains("nas", text, StringComparison.Ordinal);
        Assert.Contains("offsite", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_is_shown_whole_however_long_it_is()
    {
        const string Office = "natalia-paris-central-office", Archive = "natalia-paris-central-archive";
        _fixture.AddAppliance(Office, "11111111-0000-0000-0000-000000000003", 3);
        _fixture.AddAppliance(Archive, "11111111-0000-0000-0000-000000000004", 4);
        _fixture.WithRepository("a-repository-with-a-long-name");
        _fixture.BackUp(Office);
        _fixture.BackUp(Archive);
        foreach (string script in new[] { "Get-NataliaAppliance -Name *central*", "Get-NataliaRestorePoint",
            "Get-NataliaAuditRecord", "Test-NataliaRepository -Full -Detailed", "Get-NataliaRetention",
            "Get-NataliaRestorePoint | Test-NataliaRestorePoint", "Optimize-NataliaRepository", "Test-NataliaAudit" })
        {
            string text = Render(script);
            Assert.DoesNotContain('…', text);
            string joined = Regex.Replace(text, @"-\s+(\S+\s+)*?(?=central|office|archive)", "-");
            Assert.Contains("office", joined, StringComparison.Ordinal);
            Assert.Contains("archive", joined, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void One_is_no_plural()
    {
        _fixture.WithRepository("nas").BackUp();
        string text = Render("Test-NataliaRepository -Detailed; Test-NataliaAudit; Get-NataliaRestorePoint | "
            + "Test-NataliaRestorePoint");
        Assert.DoesNotMatch(@"(?<![\d.,])1 (?!was|is|as|has)[a-z]+s\b", text);
        Assert.DoesNotContain("(s)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_test_that_passed_and_one_that_failed_leave_a_record()
    {
        _fixture.WithRepository("nas").BackUp();
        _fixture.BackUp("natalia-lyon");
        _fixture.Damage("nas", "natalia-lyon");
        _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint");
        Assert.Equal(["point-verified natalia-paris", "damage-found natalia-lyon"],
            _fixture.Run("Get-NataliaAuditRecord | Where-Object Event -in point-verified, damage-found | Sort-Object "
                + "ApplianceName -Descending | ForEach-Object { \"$($_.Event) $($_.ApplianceName)\" }").Text);
        Assert.True(_fixture.Run("Test-NataliaAudit -Quiet").ThrowIfFailed().Single.BaseObject is true);
        string help = _fixture.Run("(Get-Help Test-NataliaRestorePoint -Full | Out-String -Width 500)").Text[0];
        Assert.Contains("point-verified", help, StringComparison.Ordinal);
        Assert.Contains("damage-found", help, StringComparison.Ordinal);
        Assert.DoesNotContain("Nothing is written", help, StringComparison.Ordinal);
    }

    [Fact]
    public void All_appliances_and_none_named_read_the_same_log()
    {
        TwoRepositories();
        IReadOnlyList<string> all =
            _fixture.Run("Get-NataliaAuditRecord | ForEach-Object RecordHash").ThrowIfFailed().Text;
        Assert.Contains("repository-created",
            _fixture.Run("Get-NataliaAuditRecord -Appliance * | ForEach-Object Event").ThrowIfFailed().Text);
        Assert.Equal(all,
            _fixture.Run("Get-NataliaAuditRecord -Appliance * | ForEach-Object RecordHash").ThrowIfFailed().Text);
        Assert.DoesNotContain("repository-created",
            _fixture.Run("Get-NataliaAuditRecord -Appliance natalia* | ForEach-Object Event").ThrowIfFailed().Text);
    }

    [Fact]
    public void In_constrained_language_tables_and_lists_show_the_same()
    {
        TwoRepositories();
        const string Script = "Get-NataliaRestorePoint; Get-NataliaAuditRecord; Get-NataliaRetention; "
            + "Test-NataliaRepository -Full";
        string[] commands = [.. Script.Split("; "), "Get-NataliaAppliance -Name *", "Get-NataliaRepository",
            "Get-NataliaRestorePoint | Select-Object -First 1 | Format-List",
            "Get-NataliaRetentionPlan -WarningAction Ignore"];
        string[] full = [.. commands.Select(c => Render(c))];
        _fixture.Run("$error.Clear(); $ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'");
        string[] constrained = [.. commands.Select(c => Constrained(c))];
        Assert.Equal(full, constrained);
        Assert.Empty(_fixture.Run("$error").Output);
    }

    private void TwoRepositories()
    {
        _fixture.WithRepository("nas").WithRepository("offsite");
        _fixture.BackUp("natalia-paris", "-Repository nas");
        _fixture.BackUp("natalia-lyon", "-Repository offsite");
    }

    private string Render(string script, params object?[] arguments) => _fixture.Session.Render(script, arguments);

    /// <summary>Render sets a preference by a method; in constrained language it stays as it was set.</summary>
    private string Constrained(string script)
    {
        _fixture.Session.Host.Clear();
        using PowerShell typed = _fixture.Session.NewPowerShell(script);
        typed.AddCommand("Out-Default");
        typed.Invoke();
        return _fixture.Session.Host.Text;
    }
}
