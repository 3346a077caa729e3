using System.Management.Automation.Host;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>What a person must see stands in the 80 columns of an ordinary window.</summary>
public sealed class NarrowConsoleTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public NarrowConsoleTests()
    {
        _fixture.Session.Host.UI.RawUI.BufferSize = new Size(80, 50);
        _fixture.Session.Host.UI.RawUI.WindowSize = new Size(80, 50);
    }

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void A_check_says_why_and_of_which_appliance()
    {
        _fixture.WithRepository("nas").BackUp();
        _fixture.BackUp("natalia-lyon");
        string text = Render("Test-NataliaRepository nas -Detailed | Where-Object Name -in Manifests, StoreOffHost");
        Assert.Matches("Manifests +nas: natalia-paris +1 object is whole", text);
        Assert.Matches("Manifests +nas: natalia-lyon", text);
        string words = string.Join(' ', text.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("what destroys this machine destroys the backups too", words, StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_is_told_from_its_original_and_a_policy_is_shown_whole()
    {
        _fixture.WithRepository("nas").BackUp();
        _fixture.WithRepository("offsite")
            .Run("$null = Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint offsite").ThrowIfFailed();
        string points = Render("Get-NataliaRestorePoint");
        Assert.Matches(@"Full .* nas: natalia-paris", points);
        Assert.Matches(@"Full .* offsite: natalia-", points);
        Assert.Equal(["False", "False"],
            _fixture.Run("Get-NataliaRestorePoint | ForEach-Object IsEncrypted | ForEach-Object ToString").Text);

        _fixture.Run("Set-NataliaRetention natalia-paris -Repository nas -Last 4 -Daily 7 -Weekly 4 -Monthly 3 "
            + "-Yearly 2 -TimeZone Europe/Paris -Force")
            .ThrowIfFailed();
        string words = string.Join(' ',
            Render("Get-NataliaRetention natalia-paris -Repository nas")
                .Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries));
        foreach (string rule in new[] { "last 4", "daily 7", "weekly 4", "monthly 3", "yearly 2", "Europe/Paris" })
            Assert.Contains(rule, words, StringComparison.Ordinal);
    }

    private string Render(string script)
    {
        string text = System.Text.RegularExpressions.Regex.Replace(_fixture.Session.Render(script), "\x1b\\[[0-9;]*m",
            "");
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 80));
        return text;
    }
}
