using System.Collections;
using System.Management.Automation;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Audit;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Takes noted heads of audit logs: audit records, live or as rows of a file, or their hashes as text.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AuditHeadArgumentAttribute : ArgumentTransformationAttribute
{
    private static readonly Regex s_hash = new("^[0-9A-Fa-f]{64}$", RegexOptions.CultureInvariant);

    /// <summary>Turns what the user gave into heads.</summary>
    /// <param name="engineIntrinsics">The engine; not used.</param>
    /// <param name="inputData">What the user gave.</param>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = inputData is PSObject { BaseObject: not PSCustomObject } wrapped
            ? wrapped.BaseObject
            : inputData;
        ExpectedHead[] heads = value is IEnumerable list and not string and not IDictionary
            ? [.. list.Cast<object?>().Select(One)]
            : [One(inputData)];
        // A file of noted heads that turns out to be empty: who expects heads must not be told that they are there.
        return heads.Length > 0
            ? heads
            : throw new ArgumentTransformationMetadataException("No head was given: the list is empty.");
    }

    private static ExpectedHead One(object? item)
    {
        if (item is null) throw Refuse("Nothing");
        PSObject value = PSObject.AsPSObject(item);
        if (value.BaseObject is ExpectedHead head) return head;
        string text = (value.BaseObject as string ?? value.Properties[nameof(AuditRecord.RecordHash)]?.Value?.ToString()
            ?? "").Trim();
        if (!s_hash.IsMatch(text)) throw Refuse($"'{value}'");
        string? repository = value.BaseObject is string
            ? null
            : value.Properties[nameof(AuditRecord.RepositoryId)]?.Value?.ToString();
        return new ExpectedHead(text, string.IsNullOrWhiteSpace(repository) ? null : repository!.Trim());
    }

    private static ArgumentTransformationMetadataException Refuse(string what) =>
        new($"{what} is neither an audit record nor the RecordHash of one: 64 hexadecimal digits.");
}
