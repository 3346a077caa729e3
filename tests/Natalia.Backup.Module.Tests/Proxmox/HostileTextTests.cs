using System.Text.RegularExpressions;
using System.Xml.Linq;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// Names, notes and logs come from guests and servers: none of them commands the terminal or turns its writing round.
/// Data keeps them as they are. The cluster is our simulator.
/// </summary>
public sealed class HostileTextTests
{
    private const string Name = "natalia\u001b[2J\u202egnp";

    [Fact]
    public async Task Nothing_that_is_shown_commands_the_terminal()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        SimulatedGuest guest = fixture.Cluster.Guest(100);
        guest.Config["name"] = Name;
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-2)).Notes = "\u001b]0;owned\u0007 note";
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-1));
        guest.Snapshots.Add(new SimulatedSnapshot("natalia-x", DateTimeOffset.UtcNow.AddDays(-2),
            false)
        { Description = "\u001b[1Ared\u009b0m" });
        fixture.ConnectWithEvidence();
        Assert.Equal(Name, fixture.Do("(Get-NataliaAppliance -Name natalia*).Name").Text.Single());

        foreach (string script in new[]
        {
            "Get-NataliaAppliance -Name *", "Get-NataliaRestorePoint", "Get-NataliaSnapshot natalia* -All",
            "Test-NataliaPrerequisite natalia*",
            "Set-NataliaRetention natalia* -Repository pbs -Daily 1 -Force -Verbose",
            "Get-NataliaRetention -Repository pbs", "Get-NataliaRetentionPlan -Repository pbs",
            "Invoke-NataliaBackup natalia* -Repository pbs -Verbose", "Invoke-NataliaBackup natalia* -WhatIf",
            "Get-NataliaRestorePoint -Latest -Repository pbs | Remove-NataliaRestorePoint -Confirm:$false",
            "Get-NataliaRestorePoint -Repository pbs | Protect-NataliaRestorePoint -Reason \"a$([char]27)b\"",
            "Get-NataliaAuditRecord", "Set-NataliaReplication natalia* -TargetVMHost pve2", "Get-NataliaReplication",
            "Register-NataliaSchedule natalia* -Repository pbs", "Get-NataliaSchedule",
        })
        {
            // The colours of a table's head are PowerShell's own.
            string shown = Regex.Replace(fixture.Module.Session.Render(script), "\u001b\\[[0-9;]*m", "");
            Assert.False(shown.Any(c => (char.IsControl(c) && c is not ('\n' or '\r')) || c == '\u202e'),
                $"{script}: {string.Concat(shown.Select(c => char.IsControl(c) && c != '\n' ? $"<{(int)c:X2}>" : c.ToString()))}");
        }
        Assert.Contains("natalia\\u001B[2J",
            fixture.Module.Session.Render("Get-NataliaAppliance -Name * | Format-List"));
    }

    [Fact]
    public async Task What_a_log_says_is_shown_and_commands_nothing()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupFailure = "no space\u001b[1A\u001b[2K left");
        fixture.Connect();
        ScriptResult failed = fixture.Try("Invoke-NataliaBackup natalia-01");
        Assert.Contains("no space\\u001B[1A\\u001B[2K left", failed.Errors.Single().Exception.Message);
        Assert.DoesNotContain('\u001b', failed.Errors.Single().ToString());
        Assert.DoesNotContain(failed.Warnings.Concat(failed.Verbose), t => t.Contains('\u001b'));
        Assert.DoesNotContain(failed.Progress,
            p => (p.Activity + p.CurrentOperation + p.StatusDescription).Contains('\u001b'));
    }

    [Fact]
    public async Task A_name_that_would_command_the_prompt_is_not_completed()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guests.Add(SampleCluster.Appliance(101, Name, "pve1")));
        fixture.ConnectCluster();
        Assert.Equal("natalia-01",
            fixture.Do("$null = Get-NataliaAppliance -Name *; (TabExpansion2 'Invoke-NataliaBackup -Appliance nat' "
                + "-cursorColumn 35).CompletionMatches | ForEach-Object CompletionText").Text.Single());
    }

    /// <summary>To PowerShell typographic quotes are quotes, and a word behind a dash is a parameter.</summary>
    [Theory]
    [InlineData("natalia'; Write-Output owned; '")]
    [InlineData("natalia\u2018; Write-Output owned; \u2018")]
    [InlineData("natalia\u2019; Write-Output owned; \u2019")]
    [InlineData("natalia\u201a; Write-Output owned; \u201a")]
    [InlineData("natalia\u201b; Write-Output owned; \u201b")]
    [InlineData("natalia\u201d; Write-Output $(1 + 1)")]
    [InlineData("-NoEnumerate")]
    [InlineData("\u2013natalia")]
    public async Task A_name_that_is_completed_is_one_text_and_no_command(string name)
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guests.Add(SampleCluster.Appliance(101, name, "pve1")));
        fixture.ConnectCluster();
        IReadOnlyList<string> completed = fixture.Do("$null = Get-NataliaAppliance -Name *; "
            + "(TabExpansion2 'Invoke-NataliaBackup -Appliance ' -cursorColumn 32).CompletionMatches "
            + "| ForEach-Object CompletionText").Text;
        Assert.Equal(new[] { "natalia-01", name }.Order(StringComparer.Ordinal),
            completed.Select(c => Assert.Single(fixture.Do($"Write-Output -InputObject {c}").Text))
                .Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Every_view_shows_texts_through_the_one_place_that_cleans_them()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectWithEvidence();
        // What this product makes itself: ids, hashes, words of a fixed set.
        string[] own = ["ApplianceId", "RestorePointId", "RepositoryId", "OriginalRestorePointId",
            "OriginalRepositoryId", "SourceRepositoryId", "SourceRestorePointId", "KeyId", "RecordHash",
            "AuditKeyFingerprint", "ErrorId", "Event", "Rule", "Hour", "Day", "Week", "Month", "Year", "LocalTime",
            "TimeZone", "Kind", "RepositoryKind", "HypervisorKind", "StoreKind", "RestoreTestId", "TestBenchKind",
            "ReportId", "Sha256", "MountId"];
        List<string> raw = [];
        foreach (string file in Directory.GetFiles(BuildLayout.ModuleRoot, "*.Format.ps1xml",
            SearchOption.AllDirectories))
        {
            foreach (XElement view in XDocument.Load(file).Descendants("View"))
            {
                string name = view.Descendants("TypeName").First().Value;
                Type? type = AppDomain.CurrentDomain.GetAssemblies()
                    .Where(a => a.GetName().Name!.StartsWith("Natalia", StringComparison.Ordinal))
                    .Select(a => a.GetType(name)).FirstOrDefault(t => t is not null);
                Assert.NotNull(type);
                raw.AddRange(view.Descendants("PropertyName").Select(n => n.Value)
                    .Where(n => type.GetProperty(n)?.PropertyType == typeof(string) && !own.Contains(n))
                    .Select(n => $"{type.Name}.{n}"));
            }
        }
        Assert.Empty(raw);
    }
}
