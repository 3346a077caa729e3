namespace Natalia.Backup.Engine.Audit;

/// <summary>What somebody did to a log. Of two in one place the first explains the second.</summary>
internal enum AuditBreakKind
{
    /// <summary>A record is not what was written, by a person or by a failing disk.</summary>
    Edited,
    /// <summary>A record stands under another one's name, or before one that it names.</summary>
    Reordered,
    /// <summary>A record that others name is gone.</summary>
    Removed,
    /// <summary>A record stands where none was written.</summary>
    Inserted,
    /// <summary>The end is gone.</summary>
    Cut,
}

/// <summary>One break of a log.</summary>
/// <param name="Number">Where: the number of the record that is wrong, or at most which number the missing one
/// had.</param>
/// <param name="Kind">What was done.</param>
/// <param name="Detail">A full sentence.</param>
internal sealed record AuditBreak(long Number, AuditBreakKind Kind, string Detail)
{
    internal string Word => Kind switch
    {
        AuditBreakKind.Edited => "edited",
        AuditBreakKind.Removed => "removed",
        AuditBreakKind.Inserted => "inserted",
        AuditBreakKind.Reordered => "reordered",
        _ => "cut",
    };
}
