using System.Text;
using System.Text.Json.Nodes;
using Deque.AxeCore.Commons;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.Reports.Html;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Reports;

/// <summary>
/// The page as a real browser shows it. With NATALIA_PICTURES=FOLDER the pictures are kept there, to be looked at.
/// </summary>
public sealed class HtmlReportBrowserTests(Browser browser) : IClassFixture<Browser>, IDisposable
{
    private static readonly string? s_pictures = Environment.GetEnvironmentVariable("NATALIA_PICTURES");
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [ChromiumFact]
    public async Task Is_silent_asks_for_nothing_and_is_accessible_on_every_screen()
    {
        string file = Write("usual", SampleReport.Usual());
        foreach ((int width, bool isDark) in ((int, bool)[])[(1280, false), (1280, true), (390, false), (390, true)])
        {
            await browser.OpenAsync(file, width, 900, isDark);
            await CheckAsync($"usual-{width}-{(isDark ? "dark" : "light")}");
        }
    }

    [ChromiumFact]
    public async Task Hostile_names_are_text_and_nothing_else()
    {
        Report fleet = SampleReport.Fleet(SampleReport.Stopped(2, SampleReport.Hostile),
            SampleReport.Empty(4, new string('W', 300)));
        string file = Write("hostile", fleet with { Troubles = [$"'{SampleReport.Hostile}' was away."] });
        await browser.OpenAsync(file, 390, 900, isDark: false);
        await CheckAsync("hostile-390");
        Assert.Equal(0, (int?)await browser.RunAsync("document.scripts.length"));
        Assert.Equal(0, (int?)await browser.RunAsync("document.querySelectorAll('[onload]').length"));
        Assert.Contains("\\u202Egnp.exe", (string?)await browser.RunAsync("document.body.innerText"), StringComparison.Ordinal);
    }

    [ChromiumFact]
    public async Task Prints_on_A4_with_every_check()
    {
        Report report = SampleReport.Usual();
        string file = Write("print", report);
        await browser.OpenAsync(file, 1280, 900, isDark: true);
        byte[] pdf = await browser.PrintAsync();
        Keep("usual-a4.pdf", pdf);
        Assert.StartsWith("%PDF-", Encoding.ASCII.GetString(pdf, 0, 5), StringComparison.Ordinal);
        Assert.Matches(@"/MediaBox\s*\[\s*0 0 59[45]\.\d+ 84[12]\.\d+", Encoding.Latin1.GetString(pdf));

        // On the screen only the newest test of each appliance is open; on paper all of them are.
        RestoreTest[][] tests = [.. report.Appliances.Select(a => a.RestoreTests.ToArray()).Where(t => t.Length > 0)];
        Assert.Equal(tests.Sum(t => t[0].Checks.Count), await CountChecksAsync());
        await browser.OpenAsync(file, 1280, 900, isDark: false, isPrinted: true);
        Assert.Equal(tests.Sum(t => t.Sum(r => r.Checks.Count)), await CountChecksAsync());

        async Task<int?> CountChecksAsync() => (int?)await browser.RunAsync("""
            [...document.querySelectorAll('details.test tbody tr')]
                .filter(r => r.checkVisibility() && r.getBoundingClientRect().height > 0).length
            """);
    }

    [ChromiumFact]
    public async Task Shows_one_restore_test_and_an_empty_fleet()
    {
        Report one = SampleReport.Fleet() with { Test = SampleReport.Test(1, 0, "natalia-lille", passed: true), SinceUtc = null };
        await browser.OpenAsync(Write("test", one), 1280, 900, isDark: false);
        await CheckAsync("test-1280");
        await browser.OpenAsync(Write("none", SampleReport.Fleet()), 390, 900, isDark: false);
        await CheckAsync("none-390");
    }

    [ChromiumFact]
    public async Task The_picture_of_the_readme_shows_the_headline()
    {
        await browser.OpenAsync(Write("usual", SampleReport.Usual()), 1100, 760, isDark: false);
        byte[] picture = await browser.PictureAsync(isWhole: false);
        Keep("report.png", picture);
        Assert.InRange(picture.Length, 10_000, 300_000);
    }

    private async Task CheckAsync(string name)
    {
        if (s_pictures is not null) Keep($"{name}.png", await browser.PictureAsync(isWhole: true));
        Assert.Empty(browser.Messages);
        Assert.Empty(browser.Requests);
        Assert.Equal(0, (int?)await browser.RunAsync(
            "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)"));
        Assert.Equal("", (string?)await browser.RunAsync("""
            [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href'))
                .filter(h => !document.getElementById(h.slice(1))).join(' ')
            """));
        Assert.Equal("", (string?)await browser.RunAsync("""
            (() => { const seen = new Set(), twice = [];
                for (const e of document.querySelectorAll('[id]')) seen.has(e.id) ? twice.push(e.id) : seen.add(e.id);
                return twice.join(' '); })()
            """));
        await browser.RunAsync(new BundledAxeScriptProvider().GetScript() + "; 0");
        JsonNode violations = JsonNode.Parse((string)(await browser.RunAsync("""
            axe.run(document, { resultTypes: ['violations'] }).then(r => JSON.stringify(r.violations.map(v =>
                ({ rule: v.id, help: v.help, where: v.nodes.slice(0, 4).map(n => n.target.join(' ') + ' ' + n.failureSummary) }))))
            """))!)!;
        Assert.True(violations.AsArray().Count == 0, $"{name}: {violations.ToJsonString(new() { WriteIndented = true })}");
    }

    private string Write(string name, Report report)
    {
        string file = _folder[$"{name}.html"];
        using (var writer = new StreamWriter(file, append: false, new UTF8Encoding(false)))
            HtmlReport.Write(report, writer);
        if (s_pictures is not null) File.Copy(file, Path.Combine(s_pictures, $"{name}.html"), overwrite: true);
        return file;
    }

    private static void Keep(string name, byte[] bytes)
    {
        if (s_pictures is not null) File.WriteAllBytes(Path.Combine(s_pictures, name), bytes);
    }
}
