namespace Natalia.Backup.Engine.Model;

/// <summary>How the file <c>natalia.json</c> of a repository is.</summary>
public enum SettingsState
{
    /// <summary>It can be read.</summary>
    Whole = 0,
    /// <summary>It is not there.</summary>
    Missing,
    /// <summary>It is there, and is not what was written.</summary>
    Damaged,
}
