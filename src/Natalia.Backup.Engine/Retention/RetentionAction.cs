namespace Natalia.Backup.Engine.Retention;

/// <summary>What happens to a point when a plan is applied.</summary>
public enum RetentionAction
{
    /// <summary>It stays.</summary>
    Keep = 0,
    /// <summary>It goes.</summary>
    Remove,
    /// <summary>It stays because somebody protected it; no rule looks at it.</summary>
    Protected,
    /// <summary>It would go, but its object lock has not ended; it goes when the plan is applied after that.</summary>
    Locked,
}
