using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Retention;

/// <summary>
/// Plans on paper: what <c>Get-NataliaRetentionPlan</c> makes of what is piped in. Needs no repository.
/// </summary>
public sealed class RetentionPlanTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private const string Points = "param($times) $points = foreach ($t in $times) { [pscustomobject]@{ TimeUtc = "
        + "[DateTime]::Parse($t, [Globalization.CultureInfo]::InvariantCulture, 'AdjustToUniversal') } }\n";
    private static readonly string[] s_times = ["2026-03-04T03:00:00Z", "2026-03-03T21:00:00Z", "2026-03-03T15:00:00Z",
        "2026-03-02T15:00:00Z", "2026-02-22T15:00:00Z", "2026-01-31T15:00:00Z"];

    [Fact]
    public void Any_objects_with_a_time_are_planned()
    {
        ScriptResult result =
            module.Run(Points
                + "$points | Get-NataliaRetentionPlan -Daily 2 -Monthly 1 -TimeZone Europe/Moscow | ForEach-Object { "
                + "\"$($_.Day) $($_.Action) $($_.Rule) $($_.Slot)\" }",
            (object)s_times)
            .ThrowIfFailed();
        // 21:00 UTC is the next day in Moscow.
        Assert.Equal(["2026-03-04 Keep Daily 1", "2026-03-04 Remove Daily ", "2026-03-03 Keep Daily 2",
            "2026-03-02 Remove None ", "2026-02-22 Keep Monthly 1", "2026-01-31 Remove None "],
            result.Text);
    }

    [Fact]
    public void Both_names_of_a_zone_work()
    {
        string script = Points
            + "$points | Get-NataliaRetentionPlan -Daily 2 -TimeZone {0} | ForEach-Object {{ \"$($_.Day) "
            + "$($_.Action)\" }}";
        Assert.Equal(module.Run(script.Replace("{0}", "Europe/Moscow", StringComparison.Ordinal)
            .Replace("{{", "{", StringComparison.Ordinal).Replace("}}", "}", StringComparison.Ordinal),
            (object)s_times)
            .ThrowIfFailed().Text,
            module.Run(script.Replace("{0}", "'Russian Standard Time'", StringComparison.Ordinal)
                .Replace("{{", "{", StringComparison.Ordinal).Replace("}}", "}", StringComparison.Ordinal),
                (object)s_times)
                .ThrowIfFailed().Text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-Daily 0 -Weekly 0")]
    public void No_rule_keeps_everything(string rules)
    {
        ScriptResult result = module.Run(Points + $"$points | Get-NataliaRetentionPlan {rules}", (object)s_times)
            .ThrowIfFailed();
        Assert.Equal(6, result.Output.Count);
        Assert.All(result.Output, r => Assert.Equal("Keep", r!.Properties["Action"].Value.ToString()));
    }

    [Fact]
    public void What_comes_from_a_job_or_a_table_is_understood()
    {
        const string script = """
            [pscustomobject]@{ TimeUtc = '2026-03-04T03:00:00Z'; IsProtected = 'False'; RestorePointId = 'a' }
            [pscustomobject]@{ TimeUtc = '2026-03-03 03:00'; IsProtected = 'True'; RestorePointId = 'b' }
            [pscustomobject]@{ TimeUtc = [DateTimeOffset]::new(2026, 3, 2, 5, 0, 0, [TimeSpan]::FromHours(2)); IsProtected = $false; RestorePointId = 'c'; ImmutableUntilUtc = [DateTime]::UtcNow.AddDays(1) }
            [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize([pscustomobject]@{ TimeUtc = [DateTime]::new(2026, 3, 1, 3, 0, 0, [DateTimeKind]::Utc); IsProtected = $false; RestorePointId = 'd' }))
            """;
        ScriptResult result =
            module.Run("& { " + script
                + " } | Get-NataliaRetentionPlan -Last 1 | ForEach-Object { \"$($_.RestorePointId) "
                + "$($_.TimeUtc.ToString('s')) $($_.Action)\" }")
            .ThrowIfFailed();
        Assert.Equal(["a 2026-03-04T03:00:00 Keep", "b 2026-03-03T03:00:00 Protected", "c 2026-03-02T03:00:00 Locked",
            "d 2026-03-01T03:00:00 Remove"],
            result.Text);
    }

    /// <summary>As Export-Csv writes it in a session of en-GB, of en-US, of de-DE.</summary>
    [Theory]
    [InlineData("TimeUtc = '05/11/2026 01:00:00'")]
    [InlineData("TimeUtc = '11/5/2026 1:00:00 AM'")]
    [InlineData("TimeUtc = '05.11.2026 01:00:00'")]
    [InlineData("TimeUtc = '2026-11-05T01:00:00.0000000Z'; ImmutableUntilUtc = '05/11/2026 01:00:00'")]
    public void A_date_as_text_whose_day_and_month_nobody_can_tell_apart_is_refused(string row)
    {
        ScriptResult result = module.Run($"[pscustomobject]@{{ {row} }} | Get-NataliaRetentionPlan -Daily 1");
        Assert.Empty(result.Output);
        Assert.StartsWith("RetentionInputInvalid,", Assert.Single(result.ErrorIds), StringComparison.Ordinal);
        Assert.Contains("yyyy-MM-dd", result.Errors[0].ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void Points_of_different_appliances_do_not_compete()
    {
        ScriptResult result = module.Run("""
            1..3 | ForEach-Object { foreach ($a in 'one', 'two') { [pscustomobject]@{ TimeUtc = [DateTime]::new(2026, 3, $_, 0, 0, 0, [DateTimeKind]::Utc); ApplianceId = $a } } } |
                Get-NataliaRetentionPlan -Last 1 | Where-Object Action -eq Keep | ForEach-Object { "$($_.ApplianceId) $($_.Day)" }
            """).ThrowIfFailed();
        Assert.Equal(["one 2026-03-03", "two 2026-03-03"], result.Text);
    }

    [Fact]
    public void An_object_that_cannot_be_planned_is_an_error_and_the_others_are_planned()
    {
        ScriptResult result = module.Run("""
            $(  [pscustomobject]@{ TimeUtc = [DateTime]::UtcNow }
                [pscustomobject]@{ Name = 'no time' }
                [pscustomobject]@{ TimeUtc = 'yesterday' }
                [pscustomobject]@{ TimeUtc = [DateTime]::UtcNow; IsProtected = 'maybe' }
            ) | Get-NataliaRetentionPlan -Daily 1
            """);
        Assert.Single(result.Output);
        Assert.Equal(["RetentionInputInvalid,Natalia.Backup.Commands.GetNataliaRetentionPlanCommand",
            "RetentionInputInvalid,Natalia.Backup.Commands.GetNataliaRetentionPlanCommand",
            "RetentionInputInvalid,Natalia.Backup.Commands.GetNataliaRetentionPlanCommand"],
            result.ErrorIds);
        Assert.Contains("'maybe' as IsProtected", result.Errors[2].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_zone_ends_the_command_before_anything_is_planned()
    {
        ScriptResult result = module.Run("[pscustomobject]@{ TimeUtc = [DateTime]::UtcNow } | "
            + "Get-NataliaRetentionPlan -Daily 1 -TimeZone Mars/Olympus");
        Assert.Empty(result.Output);
        Assert.StartsWith("TimeZoneNotFound,", Assert.Single(result.ErrorIds), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_piped_in_plans_nothing() =>
        Assert.Empty(module.Run("@() | Get-NataliaRetentionPlan -Daily 1").ThrowIfFailed().Output);

    [Fact]
    public void A_later_command_may_have_enough()
    {
        ScriptResult result = module.Run("1..5000 | ForEach-Object { [pscustomobject]@{ TimeUtc = "
            + "[DateTime]::UtcNow.AddHours(-$_) } } | Get-NataliaRetentionPlan -Daily 1 | "
            + "Microsoft.PowerShell.Core\\ForEach-Object { $_; if (++$script:n -ge 2) { break } }");
        Assert.True(result.Output.Count <= 2);
    }

    [Fact]
    public void The_table_shows_day_week_and_month_slots()
    {
        string text =
            module.Session.Render(Points
                + "$points | Get-NataliaRetentionPlan -Last 1 -Daily 2 -Weekly 1 -Monthly 1 -TimeZone Europe/Moscow",
            (object)s_times);
        // A reason that goes on in the next line stands under itself.
        string[] lines = Regex.Replace(text, "\e\\[[0-9;]*m", "").Split('\n').Select(l => l.TrimEnd())
            .Where(l => l.Length > 0 && !l.StartsWith(new string(' ', 19), StringComparison.Ordinal)).ToArray();
        Assert.Equal("   Plan: last 1, daily 2, weekly 1, monthly 1 (Europe/Moscow)", lines[0]);
        Assert.Equal("Time                Action    Day     Week    Month   Reason", lines[1]);
        Assert.Equal("2026-03-04 06:00:00 Keep      Wed     W10     Mar     The newest point: last 1 of 1.", lines[3]);
        Assert.StartsWith("2026-03-04 00:00:00 Remove    Wed     W10     Mar     No rule keeps it: the rule last",
            lines[4], StringComparison.Ordinal);
        Assert.StartsWith("2026-03-03 18:00:00 Keep      Tue 1/2 W10     Mar     ", lines[5], StringComparison.Ordinal);
        Assert.StartsWith("2026-02-22 18:00:00 Keep      Sun     W08 1/1 Feb     ", lines[7], StringComparison.Ordinal);
        Assert.StartsWith("2026-01-31 18:00:00 Keep      Sat     W05     Jan 1/1 ", lines[8], StringComparison.Ordinal);
        Assert.Equal(9, lines.Length);
        Assert.All(lines, l => Assert.True(l.Length <= 120, l));
    }

    [Fact]
    public void A_zone_is_completed_by_any_part_of_its_name()
    {
        const string complete = "param($typed) "
            + "[System.Management.Automation.CommandCompletion]::CompleteInput($typed, $typed.Length, "
            + "$null).CompletionMatches | ForEach-Object CompletionText";
        Assert.Contains("Europe/Paris",
            module.Run(complete, "Get-NataliaRetentionPlan -TimeZone par").ThrowIfFailed().Text);
        Assert.Contains("'Romance Standard Time'",
            module.Run(complete, "Get-NataliaRetentionPlan -TimeZone 'rom").ThrowIfFailed().Text);
    }
}
