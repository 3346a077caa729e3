using System.Collections;
using System.Globalization;
using System.Management.Automation;
using Microsoft.PowerShell.Commands;

namespace Natalia.Backup.Host.Commands;

/// <summary>A property by name, wildcard, script block, or hashtable with Name and Expression.</summary>
internal sealed record Column(string? Name, PSPropertyExpression Expression)
{
    public static Column From(object value)
    {
        switch (value is PSObject wrapped ? wrapped.BaseObject : value)
        {
            case ScriptBlock script:
                return new Column(null, new PSPropertyExpression(script));
            case IDictionary table:
                string? name = null;
                PSPropertyExpression? expression = null;
                foreach (DictionaryEntry entry in table)
                {
                    var key = entry.Key.ToString() ?? "";
                    if (Means(key, "Name") || Means(key, "Label"))
                        name = entry.Value?.ToString();
                    else if (Means(key, "Expression"))
                        expression = From(entry.Value ?? "").Expression;
                    else
                        throw new PSArgumentException($"The key '{key}' of a property is not supported here; Name and Expression are.");
                }

                return new Column(name, expression ?? throw new PSArgumentException("A property given as a hashtable needs an Expression."));
            case var text:
                return new Column(null, new PSPropertyExpression(text.ToString()));
        }
    }

    /// <summary>The names and values that the column has in an object.</summary>
    public IEnumerable<(string Name, object? Value)> Read(PSObject source)
    {
        var many = Expression.HasWildCardCharacters;
        foreach (var resolved in many ? Expression.ResolveNames(source) : [Expression])
        {
            var results = resolved.GetValues(source);
            yield return (Name ?? resolved.ToString(), results.Count > 0 ? results[0].Result : null);
        }
    }

    private static bool Means(string key, string word) => key.Length > 0 && word.StartsWith(key, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Stand-in for Select-Object.</summary>
[Cmdlet(VerbsCommon.Select, "Object")]
public sealed class SelectObjectCommand : PSCmdlet
{
    private readonly Queue<PSObject> _last = new();
    private Column[] _columns = [];
    private int _seen;
    private int _written;

    /// <summary>The objects.</summary>
    [Parameter(ValueFromPipeline = true)]
    public PSObject? InputObject { get; set; }

    /// <summary>The properties that the new objects get.</summary>
    [Parameter(Position = 0)]
    public object[] Property { get; set; } = [];

    /// <summary>The property whose value is written instead of the object.</summary>
    [Parameter]
    public string? ExpandProperty { get; set; }

    /// <summary>Only so many, from the front.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int First { get; set; } = int.MaxValue;

    /// <summary>Only so many, from the end.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Last { get; set; }

    /// <summary>Leaves out so many at the front.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Skip { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if (Last > 0 && (First != int.MaxValue || Skip > 0))
            ThrowTerminatingError(new ErrorRecord(
                new PSArgumentException("-Last cannot be combined with -First or -Skip here."), "SelectLastCombined", ErrorCategory.InvalidArgument, null));
        if (Property.Length > 0 && ExpandProperty is not null)
            ThrowTerminatingError(new ErrorRecord(
                new PSArgumentException("-Property and -ExpandProperty cannot be combined here."), "SelectExpandCombined", ErrorCategory.InvalidArgument, null));
        _columns = [.. Property.Select(Column.From)];
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (InputObject is null || _seen++ < Skip)
            return;
        if (Last > 0)
        {
            _last.Enqueue(InputObject);
            if (_last.Count > Last)
                _last.Dequeue();
        }
        else if (_written < First)
        {
            _written++;
            Send(InputObject);
        }
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        foreach (var item in _last)
            Send(item);
    }

    private void Send(PSObject item)
    {
        if (ExpandProperty is not null)
        {
            var property = item.Properties[ExpandProperty];
            if (property is null)
                WriteError(new ErrorRecord(
                    new PSArgumentException($"Property \"{ExpandProperty}\" cannot be found."), "ExpandPropertyNotFound", ErrorCategory.InvalidArgument, item));
            else
                WriteObject(property.Value, enumerateCollection: true);
            return;
        }

        if (_columns.Length == 0)
        {
            WriteObject(item);
            return;
        }

        var selected = new PSObject();
        foreach (var (name, value) in _columns.SelectMany(c => c.Read(item)))
        {
            if (selected.Properties[name] is null)
                selected.Properties.Add(new PSNoteProperty(name, value));
        }

        selected.TypeNames.Insert(0, "Selected." + item.BaseObject.GetType());
        WriteObject(selected);
    }
}

/// <summary>Stand-in for Sort-Object.</summary>
[Cmdlet("Sort", "Object")]
public sealed class SortObjectCommand : PSCmdlet
{
    private readonly List<PSObject> _items = [];

    /// <summary>The objects.</summary>
    [Parameter(ValueFromPipeline = true)]
    public PSObject? InputObject { get; set; }

    /// <summary>What they are sorted by, the first first.</summary>
    [Parameter(Position = 0)]
    public object[] Property { get; set; } = [];

    /// <summary>The greatest first.</summary>
    [Parameter]
    public SwitchParameter Descending { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (InputObject is not null)
            _items.Add(InputObject);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        Column[] columns = [.. Property.Select(Column.From)];
        var keyed = _items.Select(i => (Item: i, Keys: columns.Length == 0 ? [i] : columns.Select(c => c.Read(i).FirstOrDefault().Value).ToArray()));
        var comparer = Comparer<object?[]>.Create(Compare);
        var sorted = Descending ? keyed.OrderByDescending(k => k.Keys, comparer) : keyed.OrderBy(k => k.Keys, comparer);
        foreach (var (item, _) in sorted)
            WriteObject(item);
    }

    private static int Compare(object?[] left, object?[] right) =>
        left.Zip(right, Compare).FirstOrDefault(c => c != 0);

    private static int Compare(object? left, object? right) =>
        LanguagePrimitives.TryCompare(left, right, ignoreCase: true, CultureInfo.CurrentCulture, out var order)
            ? order
            : string.Compare(left?.ToString(), right?.ToString(), StringComparison.CurrentCultureIgnoreCase);
}

/// <summary>Stand-in for Measure-Object: counts, and adds up one property.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "Object")]
public sealed class MeasureObjectCommand : PSCmdlet
{
    private int _count;
    private double _sum;
    private double? _minimum;
    private double? _maximum;

    /// <summary>The objects.</summary>
    [Parameter(ValueFromPipeline = true)]
    public PSObject? InputObject { get; set; }

    /// <summary>The property with the numbers; without it the objects themselves are the numbers.</summary>
    [Parameter(Position = 0)]
    public string? Property { get; set; }

    /// <summary>Adds up.</summary>
    [Parameter]
    public SwitchParameter Sum { get; set; }

    /// <summary>Takes the mean.</summary>
    [Parameter]
    public SwitchParameter Average { get; set; }

    /// <summary>Finds the least.</summary>
    [Parameter]
    public SwitchParameter Minimum { get; set; }

    /// <summary>Finds the greatest.</summary>
    [Parameter]
    public SwitchParameter Maximum { get; set; }

    private bool Numbers => Sum || Average || Minimum || Maximum;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (InputObject is null)
            return;
        var value = Property is null ? InputObject : InputObject.Properties[Property]?.Value;
        if (value is null)
            return;
        _count++;
        if (!Numbers)
            return;
        var number = LanguagePrimitives.ConvertTo<double>(value);
        _sum += number;
        _minimum = Math.Min(_minimum ?? number, number);
        _maximum = Math.Max(_maximum ?? number, number);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        var result = new PSObject();
        void Add(string name, object? value) => result.Properties.Add(new PSNoteProperty(name, value));
        Add("Count", _count);
        Add("Average", Average && _count > 0 ? _sum / _count : null);
        Add("Sum", Sum ? _sum : null);
        Add("Maximum", Maximum ? _maximum : null);
        Add("Minimum", Minimum ? _minimum : null);
        Add("Property", Property);
        WriteObject(result);
    }
}
