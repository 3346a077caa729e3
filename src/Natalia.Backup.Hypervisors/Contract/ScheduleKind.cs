namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How often a schedule runs.</summary>
public enum ScheduleKind
{
    /// <summary>Neither of the others; see the hypervisor's own words.</summary>
    Other = 0,
    /// <summary>Once a day.</summary>
    Daily,
    /// <summary>Every six hours, one of them the daily one.</summary>
    SixHourly,
}
