using System.Collections;
using System.Management.Automation;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Lets a parameter of type string take the object that it names, live or from a job. Text stays as it is; a list is
/// turned item by item.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public abstract class ReferenceArgumentAttribute : ArgumentTransformationAttribute
{
    private protected ReferenceArgumentAttribute() { }

    /// <summary>Turns what the user gave into text.</summary>
    /// <param name="engineIntrinsics">The engine; not used.</param>
    /// <param name="inputData">What the user gave.</param>
    public sealed override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = inputData is PSObject { BaseObject: not PSCustomObject } wrapped
            ? wrapped.BaseObject
            : inputData;
        switch (value)
        {
            case null:
                return null;
            case string text:
                return text;
            case ValueType number when number.GetType().IsPrimitive || number is decimal:
                // An id that was typed without quotes and looks like a number: 12345678, 1e10, 12d. PowerShell
                // remembers how it was typed.
                return LanguagePrimitives.ConvertTo<string>(inputData);
            case IEnumerable list when value is not IDictionary:
                return (string[])[.. list.Cast<object?>().Select(item => Transform(engineIntrinsics, item))
                    .Where(item => item is not null).Select(item => item as string ?? throw Refuse(item!))];
        }
        // The wrapped form: it has the properties of deserialised objects, too.
        PSObject wrappedValue = PSObject.AsPSObject(inputData);
        if (Leaves(wrappedValue)) return inputData;
        // With this inside, PowerShell takes the object from the pipeline for one that does not fit here, and goes on
        // looking; otherwise it would end the command.
        if (IsSession(wrappedValue) && Describe(wrappedValue) is null)
            throw new ArgumentTransformationMetadataException($"A session is not {Expected}.",
                new PSInvalidCastException());
        return Describe(wrappedValue) ?? throw Refuse(value);
    }

    private ArgumentTransformationMetadataException Refuse(object value) =>
        new($"An object of type {value.GetType().Name} is not {Expected}.");

    /// <summary>What can be given, for the error message.</summary>
    private protected abstract string Expected { get; }

    /// <summary>
    /// True for an object from the pipeline that is meant for another parameter. It is left as it is: it then fits no
    /// string, and PowerShell goes on looking. Throwing would end the command.
    /// </summary>
    private protected virtual bool Leaves(PSObject value) => false;

    /// <summary>
    /// A connected hypervisor or repository, live or from a job: its name or id is meant for another parameter.
    /// </summary>
    private static bool IsSession(PSObject value) =>
        value.Properties[nameof(HypervisorSession.ConnectedUtc)] is not null
        && value.Properties[nameof(HypervisorSession.Location)] is not null;

    /// <summary>The text that stands for an object, or null when it cannot be meant.</summary>
    private protected abstract string? Describe(PSObject value);

    private protected static string? Text(PSObject value, string property) =>
        value.Properties[property]?.Value?.ToString() is { Length: > 0 } text ? text : null;
}
