using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Retention;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that takes the rules of a retention policy.</summary>
public abstract class RetentionRulesCommand : NataliaCommand
{
    private protected RetentionRulesCommand() { }

    /// <summary>How many of the newest restore points stay, whatever their time. 0 switches the rule off.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Last { get; set; }

    /// <summary>
    /// How many hours keep their newest restore point. Hours without one do not count. 0 switches the rule off.
    /// </summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Hourly { get; set; }

    /// <summary>
    /// How many days keep their newest restore point. Days without one do not count. 0 switches the rule off.
    /// </summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Daily { get; set; }

    /// <summary>
    /// How many ISO weeks, Monday to Sunday, keep their newest restore point. Weeks without one do not count. 0
    /// switches the rule off.
    /// </summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Weekly { get; set; }

    /// <summary>
    /// How many months keep their newest restore point. Months without one do not count. 0 switches the rule off.
    /// </summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Monthly { get; set; }

    /// <summary>
    /// How many years keep their newest restore point. Years without one do not count. 0 switches the rule off.
    /// </summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Yearly { get; set; }

    /// <summary>
    /// The time zone in which hours, days, weeks, months and years begin: an IANA id such as Europe/Paris or a Windows
    /// id such as 'Romance Standard Time'. Both work on every system.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(TimeZoneCompleter))]
    public string? TimeZone { get; set; }

    /// <summary>What the user gave.</summary>
    /// <exception cref="Engine.NataliaException"><c>TimeZoneNotFound</c>.</exception>
    private protected RetentionRules GivenRules()
    {
        // Before anything is read: a typing error should not cost a minute.
        if (TimeZone is not null) TimeZones.Find(TimeZone);
        return new RetentionRules(Given(nameof(Last), Last), Given(nameof(Hourly), Hourly), Given(nameof(Daily), Daily),
            Given(nameof(Weekly), Weekly), Given(nameof(Monthly), Monthly), Given(nameof(Yearly), Yearly), TimeZone);
    }

    private int? Given(string parameter, int value) => IsBound(parameter) ? value : null;
}
